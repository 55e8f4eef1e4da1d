// An ordinary Node program on streams: node split2.js JOB INPUT OUTPUT FAILED LOOKUP
import { createReadStream, createWriteStream } from 'node:fs'
import { Transform } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import split2 from 'split2'
import { makeJob } from './jobs.js'

const [job, input, output, failed, lookup] = process.argv.slice(2)
const failures = job === 'j3' ? createWriteStream(failed) : undefined
const work = makeJob(job, lookup, line => failures?.write(line))

const transform = new Transform({
  writableObjectMode: true,
  transform(line, _encoding, done) {
    done(null, work(line))
  },
})
await pipeline(createReadStream(input), split2(), transform, createWriteStream(output))
failures?.end()
if (failures !== undefined) await finished(failures)
