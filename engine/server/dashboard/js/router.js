// Which view an address shows. Addresses are `#/issues/issue-17?open=true`, so that one page serves all.

const routes = [];

/**
 * A view at `#/name`; with `name/` the view of one thing at `#/name/thing`, which is the same view where there is no other.
 */
export function route(name, view) {
  routes.push({ name, view });
}

/** What the address says: the section, its view, the thing in it, the query. */
export function read() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [section, ...rest] = path.split("/");
  const find = (name) => routes.find((route) => route.name === name);
  const found = (rest.length > 0 && find(`${section}/`)) || find(section) || (section ? null : routes[0]);
  let thing;
  try {
    thing = rest.length ? decodeURIComponent(rest.join("/")) : undefined;
  } catch {
    thing = rest.join("/");
  }
  return {
    view: found?.view,
    section: found?.name.replace("/", ""),
    params: { name: thing, query: new URLSearchParams(query) },
  };
}

/** Writes filters into the address, so that it can be sent to somebody; `anew` shows the view again. */
export function setQuery(values, anew = false) {
  const given = Object.entries(values).filter(([, value]) => value);
  const text = new URLSearchParams(given).toString();
  const address = location.hash.split("?")[0] + (text && `?${text}`);
  if (anew) location.hash = address;
  else history.replaceState(null, "", address);
}
