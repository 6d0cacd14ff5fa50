// Who is signed in: the token of this tab, and what the server says its holder may do.

const KEY = "selfheal.token";

let session = null;

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

export function begin(answer) {
  session = answer;
}

export function end() {
  session = null;
}

/** Whether this server has a route such as `POST /approvals/{id}`. */
export function has(route) {
  return Boolean(find(route));
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
