/** Numbers as people read them. Always in one form, whatever the machine's language, so that texts can be compared. */

/** 1234567 is `1,234,567`. */
export function count(value: number): string {
  const [whole = '0', fraction] = String(value).split('.')
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',')
  return fraction === undefined ? grouped : `${grouped}.${fraction}`
}

/** `1,234 events`, `1 event`. */
export function counted(value: number, singular: string, plural = `${singular}s`): string {
  return `${count(value)} ${value === 1 ? singular : plural}`
}

/** Three digits that count: 1234567 is `1.23M`, 950 is `950`. */
export function short(value: number): string {
  if (value < 999.5) return String(value >= 10 || Number.isInteger(value) ? Math.round(value) : Number(value.toFixed(1)))
  for (const [unit, size] of [['k', 1e3], ['M', 1e6], ['G', 1e9]] as const) {
    const scaled = value / size
    if (scaled < 999.5) return `${scaled < 9.995 ? scaled.toFixed(2) : scaled < 99.95 ? scaled.toFixed(1) : Math.round(scaled)}${unit}`
  }
  return `${Math.round(value / 1e12)}T`
}

/** Minutes and seconds on a clock: 83 is `1:23`, 4000 is `1:06:40`. */
export function clockTime(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const two = (value: number): string => String(value).padStart(2, '0')
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`
}
