/** Strings as JSON text. */

/** The string in JSON, as JSON.stringify writes it. */
export function quote(text: string): string {
  return JSON.stringify(text)
}

/** True where the JSON text is a string exactly as JSON.stringify would write it: then equal strings have equal text. */
export function isCanonicalString(raw: string): boolean {
  if (raw.length < 2 || raw[0] !== '"' || raw.at(-1) !== '"') return false
  // Nothing to decode: the text between the quotes is the string itself.
  if (!raw.includes('\\')) return JSON.stringify(raw.slice(1, -1)) === raw
  try {
    return JSON.stringify(JSON.parse(raw)) === raw
  } catch {
    return false
  }
}
