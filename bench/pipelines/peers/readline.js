// An ordinary Node program on lines: node readline.js JOB INPUT OUTPUT FAILED LOOKUP
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { finished } from 'node:stream/promises'
import { makeJob } from './jobs.js'

const [job, input, output, failed, lookup] = process.argv.slice(2)
const failures = job === 'j3' ? createWriteStream(failed) : undefined
const work = makeJob(job, lookup, line => failures?.write(line))

const out = createWriteStream(output)
for await (const line of createInterface({ input: createReadStream(input), crlfDelay: Infinity })) {
  const text = work(line)
  if (text !== undefined && !out.write(text)) await once(out, 'drain')
}
for (const stream of [out, failures]) {
  stream?.end()
  if (stream !== undefined) await finished(stream)
}
