/**
 * Rows of about 1,200 bytes as shops send them: an order with its customer, address, items and what a browser says of itself. One in twenty is a test and is to be left out.
 *
 * The same numbers give the same rows. Their text is what JSON.stringify writes, so that a program which parses and writes them anew puts out the same bytes.
 */
const CITIES = ['Hamburg', 'Lyon', 'Porto', 'Malmö', 'Gdańsk', 'Turin', 'Utrecht', 'Graz', 'Cork', 'Brno']
const STREETS = ['Station Road', 'Rue de la Paix', 'Hauptstraße', 'Via Roma', 'Kerkstraat', 'Mill Lane']
const PRODUCTS = ['kettle, steel', 'desk lamp', 'garden hose 20 m', 'coffee beans 1 kg', 'running shoes', 'phone case', 'oak shelf', 'bicycle pump', 'rain jacket']
const AGENTS = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1',
  'Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0',
]
const WORDS = ['please', 'ring', 'the', 'bell', 'twice', 'leave', 'it', 'with', 'neighbour', 'at', 'door', 'after', 'six', 'gift', 'wrap', 'fragile', 'urgent', 'invoice', 'to', 'office', 'second', 'floor', 'left']
const START = Date.UTC(2026, 0, 1)

/** A stream of numbers that depends on nothing but the seed. */
function numbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export function rowOf(number: number): string {
  const random = numbers(number * 2654435761)
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T // Below the length.
  const hex = (digits: number): string => Array.from({ length: digits / 8 }, () => Math.floor(random() * 2 ** 32).toString(16).padStart(8, '0')).join('')
  const items = Array.from({ length: 4 }, (_, line) => ({ line: line + 1, sku: hex(8), name: pick(PRODUCTS), count: 1 + Math.floor(random() * 5), price: Math.floor(random() * 20_000) / 100, tags: [pick(WORDS), pick(WORDS)] }))
  const row = {
    id: hex(32), number, time: new Date(START + number * 37 + Math.floor(random() * 1000)).toISOString(), status: random() < 0.05 ? 'test' : pick(['new', 'paid', 'sent']),
    customer: { id: Math.floor(random() * 1e6), name: `Customer ${Math.floor(random() * 1e5)}`, email: `c${Math.floor(random() * 1e6)}@shop.example`, vip: random() < 0.1 },
    address: { street: `${pick(STREETS)} ${1 + Math.floor(random() * 200)}`, city: pick(CITIES), zip: String(10_000 + Math.floor(random() * 89_999)), latitude: Math.floor(random() * 9e6) / 1e5, longitude: Math.floor(random() * 18e6) / 1e5 },
    items, total: Math.floor(random() * 100_000) / 100, currency: pick(['EUR', 'SEK', 'PLN']), session: hex(32), agent: pick(AGENTS), remark: '',
  }
  const words: string[] = []
  // The text that shops add fills the row up.
  for (let left = 1200 - JSON.stringify(row).length; left > 0; left -= (words.at(-1)?.length ?? 0) + 1) words.push(pick(WORDS))
  row.remark = words.join(' ')
  return JSON.stringify(row)
}
