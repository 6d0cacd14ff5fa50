// Who is signed in: the token of this tab, and what the server says its holder may do.

const KEY = "selfheal.token";

let session = null;
let tell;
let asked = anew();

function anew() {
  return new Promise((resolve) => (tell = resolve));
}

export function token() {
  return sessionStorage.getItem(KEY);
}

export function keepToken(token) {
  if (token) sessionStorage.setItem(KEY, token);
  else sessionStorage.removeItem(KEY);
}

/** What `/session` said: name, role, mode, version, routes. */
export function current() {
  return session;
}

/** Resolves when it is known who is there: what is asked for before that is shown then. */
export function known() {
  return asked;
}

export function begin(answer) {
  session = answer;
  tell(answer);
}

export function end() {
  if (session) asked = anew();
  session = null;
}

/** Why the person may not use a route, in words; `null` when they may. */
export function barred(route) {
  const found = find(route);
  if (!found) return "This selfheal cannot do that.";
  if (found.allowed) return null;
  return `This needs the role ${found.role}; ${session.name} is ${session.role}.`;
}

function find(route) {
  return session?.routes.find(
    (known) =>
      known.route === route || known.route.replace(/\{[^}]*\}/g, "{}") === route.replace(/\{[^}]*\}/g, "{}"),
  );
}
