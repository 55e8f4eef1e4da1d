/** The built-in sources and sinks for pipelines in TypeScript: `file({ path: 'a.ndjson' })`. */
import { discard as discardSink, exec as execSource, fileSink, fileSource, generate as generateSource, httpClient as httpClientSource, httpServer as httpServerSource, httpSink, stdin as stdinSource, stdout as stdoutSink } from './connect/index.ts'
import { component } from './pipeline/index.ts'
import type { BothFactory, SinkFactory, SourceFactory } from './pipeline/index.ts'

export const file: BothFactory<typeof fileSource.config, typeof fileSink.config> = component(fileSource, fileSink)
export const stdin: SourceFactory<typeof stdinSource.config> = component(stdinSource)
export const exec: SourceFactory<typeof execSource.config> = component(execSource)
export const generate: SourceFactory<typeof generateSource.config> = component(generateSource)
export const httpServer: SourceFactory<typeof httpServerSource.config> = component(httpServerSource)
export const httpClient: SourceFactory<typeof httpClientSource.config> = component(httpClientSource)
export const http: SinkFactory<typeof httpSink.config> = component(httpSink)
export const stdout: SinkFactory<typeof stdoutSink.config> = component(stdoutSink)
export const discard: SinkFactory<typeof discardSink.config> = component(discardSink)
