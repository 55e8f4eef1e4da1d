// What a worker thread starts with. Plain JavaScript: a thread has to ask for the compiled code that the main thread has kept before it loads any source, or it
// would translate that anew, which takes longer than all the rest.
import { enableCompileCache } from 'node:module'
import { workerData } from 'node:worker_threads'

enableCompileCache()
await import(workerData.start.module)
