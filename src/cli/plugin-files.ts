/** The files of a new plug-in: a package with a stage, a function for expressions, their tests, and a pipeline that uses them. */

export interface PluginNames {
  /** Name of the package. */
  readonly name: string
  /** What its types begin with. */
  readonly prefix: string
  /** Version of Sluice that it is made for. */
  readonly version: string
}

/** What a package may be called, without a scope. */
export const PLUGIN_NAME = /^[a-z][a-z0-9-]{0,63}$/

export function pluginNames(name: string, version: string): PluginNames {
  return { name, prefix: name.replaceAll('-', '_'), version }
}

/** By path below the plug-in's folder. */
export function pluginFiles(names: PluginNames): Readonly<Record<string, string>> {
  return {
    'package.json': `${JSON.stringify(packageOf(names), null, 2)}\n`,
    'tsconfig.json': `${JSON.stringify(TYPES, null, 2)}\n`,
    'tsconfig.build.json': `${JSON.stringify(BUILD, null, 2)}\n`,
    'src/index.ts': indexOf(names),
    'src/shorten.ts': stageOf(names),
    'src/shorten.test.ts': testOf(names),
    'pipeline.yaml': pipelineOf(names),
    'README.md': readmeOf(names),
    '.gitignore': 'node_modules/\ndist/\nout/\n',
  }
}

function packageOf({ name, version }: PluginNames): object {
  const range = `^${version}`
  return {
    name,
    version: '0.1.0',
    description: 'A plug-in for Sluice',
    keywords: ['sluice-plugin'],
    type: 'module',
    exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' } },
    files: ['dist'],
    scripts: { test: 'node --test "src/**/*.test.ts"', types: 'tsc', build: 'tsc -p tsconfig.build.json', prepack: 'npm run build' },
    peerDependencies: { sluice: range },
    devDependencies: { '@types/node': '^24.0.0', sluice: range, typescript: '^5.9.0 || ^6.0.0 || ^7.0.0' },
  }
}

const TYPES = {
  compilerOptions: {
    target: 'esnext', module: 'nodenext', types: ['node'], strict: true, noEmit: true, erasableSyntaxOnly: true, verbatimModuleSyntax: true, allowImportingTsExtensions: true,
    noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true, skipLibCheck: true,
  },
  include: ['src'],
}

const BUILD = {
  extends: './tsconfig.json',
  compilerOptions: { noEmit: false, rootDir: 'src', outDir: 'dist', declaration: true, rewriteRelativeImportExtensions: true },
  exclude: ['src/**/*.test.ts'],
}

function indexOf({ prefix }: PluginNames): string {
  return `/** What this plug-in brings: the stage \`${prefix}_shorten\` and the function \`${prefix}.shorten\`. Everything exported here that a define call made is found by its type. */
export { shorten, shortenText } from './shorten.ts'
`
}

function stageOf({ prefix }: PluginNames): string {
  return `import { defineFunction, defineStage, field } from 'sluice'

const MARK = '...'

/** A text of at most \`most\` characters; what is cut off is marked. */
function shortened(text: string, most: number): string {
  return text.length <= most ? text : text.slice(0, Math.max(0, most - MARK.length)) + MARK
}

export const shorten = defineStage({
  type: '${prefix}_shorten',
  summary: 'Shorten a text field',
  config: field.object({
    field: field.string({ description: 'Name of the field' }),
    most: field.integer({ minimum: 4, default: 20, description: 'Most characters that stay' }),
  }),
  shorthand: 'field',
  examples: [{ title: 'Titles of four characters', config: { field: 'title', most: 4 }, input: [{ title: 'a long one' }], output: [{ title: 'a...' }] }],
  create: ({ field: name, most }) => ({
    // Each event is answered once: emit, drop or reject. Nothing is kept between events.
    process(events, out) {
      for (const event of events) {
        const { value } = event
        const text = isObject(value) ? value[name] : undefined
        if (!isObject(value) || typeof text !== 'string') {
          out.reject(event, new TypeError(\`The event has no text "\${name}".\`))
          continue
        }
        event.replace({ ...value, [name]: shortened(text, most) })
        out.emit(event)
      }
    },
  }),
})

function isObject(value: unknown): value is { readonly [key: string]: string | number | boolean | null } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** In expressions: \`${prefix}.shorten(event.title, 10)\`. */
export const shortenText = defineFunction({
  type: '${prefix}.shorten',
  summary: 'A text of at most so many characters',
  parameters: [{ name: 'text', type: 'string' }, { name: 'most', type: 'number' }],
  result: 'string',
  examples: [{ expression: '${prefix}.shorten("a long one", 4)', value: 'a...' }],
  call: shortened,
})
`
}

function testOf({ prefix }: PluginNames): string {
  return `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compile } from 'sluice/expr'
import { connectorConformance } from 'sluice/testing'
import { shorten, shortenText } from './shorten.ts'

const titles = Array.from({ length: 40 }, (_, n) => ({ n, title: 'x'.repeat(n % 12) }))

// The behaviours that every stage must have, on this thread and on workers.
connectorConformance({
  stage: {
    declaration: shorten,
    config: { field: 'title', most: 6 },
    input: titles,
    output: titles.map(({ n, title }) => ({ n, title: title.length <= 6 ? title : 'xxx...' })),
    bad: [{ n: -1 }, 5],
  },
  plugin: new URL('./index.ts', import.meta.url),
})

test('the function shortens in expressions, and takes texts only', () => {
  const functions = { [shortenText.type]: shortenText }
  const evaluate = (source: string): unknown => compile(source, { functions }).evaluate({ event: null, key: undefined, headers: {}, time: undefined, position: null })
  assert.equal(evaluate('${prefix}.shorten("a long one", 4)'), 'a...')
  assert.throws(() => evaluate('${prefix}.shorten(5, 4)'), /EXPR_NO_OVERLOAD|shorten/)
})
`
}

function pipelineOf({ name, prefix }: PluginNames): string {
  return `# The plug-in in use: sluice run pipeline.yaml
pipeline: ${name}
plugins: [./src/index.ts]
sources:
  in:
    generate: { shape: order, count: 5 }
stages:
  - map:
      id: event.id
      customer: ${prefix}.shorten(event.customer, 4)
  - ${prefix}_shorten: { field: id, most: 6 }
sinks:
  out: stdout
`
}

function readmeOf({ name, prefix }: PluginNames): string {
  return `# ${name}

A plug-in for Sluice: the stage \`${prefix}_shorten\` and the function \`${prefix}.shorten\`.

    npm install
    npm test                       the stage against the behaviours that every stage must have
    npm run types                  type check
    npx sluice run pipeline.yaml   the plug-in in a pipeline
    npm run build                  JavaScript in dist/, which is what a package has to hold

A pipeline names it by its path, or by its name once it is installed beside the pipeline:

    plugins: [${name}]
`
}
