// Jest runs the compiled tests as native ES modules: what is tested is what is packed.
export default {
  rootDir: 'dist/test',
  testEnvironment: 'node',
  testMatch: ['**/*.test.js'],
  transform: {},
  testTimeout: 30_000,
}
