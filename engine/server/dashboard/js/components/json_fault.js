// Where a text breaks off being JSON. Browsers say what is wrong, but not always where.

const SPACE = /[ \t\r\n]*/y;
const SCALAR =
  /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const TEXT = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
/** Deeper than any alert. */
const DEPTH_MAX = 200;

/** The place of the first fault, as line and column from 1; `null` where there is none. */
export function jsonFault(text) {
  let at = 0;
  const skip = (pattern) => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found) at += found[0].length;
    return Boolean(found);
  };
  const sign = (wanted) => {
    skip(SPACE);
    if (text[at] !== wanted) return false;
    at += 1;
    return true;
  };
  const members = (close, member) => {
    if (sign(close)) return true;
    do {
      if (!member()) return false;
    } while (sign(","));
    return sign(close);
  };
  const value = (depth) => {
    skip(SPACE);
    if (depth > DEPTH_MAX) return false;
    if (sign("[")) return members("]", () => value(depth + 1));
    if (sign("{")) return members("}", () => (skip(SPACE), skip(TEXT)) && sign(":") && value(depth + 1));
    return skip(SCALAR);
  };
  const whole = value(0);
  skip(SPACE);
  if (whole && at === text.length) return null;
  const before = text.slice(0, at).split("\n");
  return { line: before.length, column: [...before.at(-1)].length + 1 };
}
