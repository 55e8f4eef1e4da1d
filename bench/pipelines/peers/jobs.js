// What an ordinary Node program does with one line: parse, work, write. Gives the line to write, or undefined; `fail` takes a bad line.
import { readFileSync } from 'node:fs'

function loadDevices(path) {
  const devices = new Map()
  for (const line of readFileSync(path, 'utf8').trimEnd().split('\n').slice(1)) {
    const [id, owner, region] = line.split(',')
    devices.set(id, { owner, region })
  }
  return devices
}

function isValid(event) {
  if (typeof event.id !== 'string' || typeof event.ts !== 'number') return false
  if (event.type === 'sensor') return event.temperature >= -50 && event.temperature <= 60 && event.humidity >= 0 && event.humidity <= 100
  return event.type === 'web' && event.status >= 100 && event.status <= 599
}

export function makeJob(job, lookup, fail) {
  if (job === 'j1') {
    return line => {
      JSON.parse(line)
      return line + '\n'
    }
  }
  if (job === 'j2') {
    return line => {
      const event = JSON.parse(line)
      if (event.type !== 'sensor' || !(event.temperature > 25)) return undefined
      const { id, temperature } = event
      return JSON.stringify({ id, site: event.loc.site, temperature, temp_f: temperature * 1.8 + 32 }) + '\n'
    }
  }
  const devices = loadDevices(lookup)
  return line => {
    const event = JSON.parse(line)
    const device = devices.get(event.device?.id)
    if (device === undefined || !isValid(event)) {
      fail(line + '\n')
      return undefined
    }
    event.email = event.email[0] + '***' + event.email.slice(event.email.indexOf('@'))
    event.owner = device.owner
    event.region = device.region
    return JSON.stringify(event) + '\n'
  }
}
