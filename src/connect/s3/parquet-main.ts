/** The main program of a thread that makes row groups of Parquet. */
import { parentPort } from 'node:worker_threads'
import { loadParquet, makeRowGroup } from './parquet-rows.ts'
import type { FromParquetThread, ToParquetThread } from './parquet-threads.ts'

const library = loadParquet()

async function made({ form, lines }: ToParquetThread): Promise<FromParquetThread> {
  try {
    return { made: makeRowGroup(await library, form, lines) }
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) }
  }
}

parentPort?.on('message', (asked: ToParquetThread) => {
  void made(asked).then(answer => parentPort?.postMessage(answer, 'made' in answer ? [answer.made.bytes.buffer] : []))
})
