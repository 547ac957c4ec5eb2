/** Where the cgroup's memory is found, by files as kernels, containers and service managers lay them out. */
import { describe, expect, it } from '@jest/globals'
import { Cgroup, type CgroupOptions } from '../../../../middleware/memory/sampling/cgroup.js'

const MB = 1_000_000
const UNLIMITED = 2 ** 64

function cgroupOf(files: Record<string, string>, options: CgroupOptions = {}): Cgroup {
  return new Cgroup({ read: (path) => files[path], physical: 8000 * MB, constrained: () => UNLIMITED, ...options })
}

const V2_MOUNT = '30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n'
const V1_MOUNTS = '31 23 0:28 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n36 31 0:33 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n'

describe('version 2', () => {
  it('a container with a namespace of its own', () => {
    const cgroup = cgroupOf({
      '/proc/self/cgroup': '0::/\n', '/proc/self/mountinfo': V2_MOUNT, '/sys/fs/cgroup/memory.max': `${String(512 * MB)}\n`,
      '/sys/fs/cgroup/memory.current': `${String(300 * MB)}\n`, '/sys/fs/cgroup/memory.stat': `anon 1\ninactive_file ${String(100 * MB)}\nactive_file 5\n`,
    })
    expect(cgroup.memory()).toEqual({ use: 200 * MB, limit: 512 * MB })
  })

  it('a limit further up, of a slice: what all in it use counts', () => {
    const cgroup = cgroupOf({
      '/proc/self/cgroup': '0::/app.slice/app.service\n', '/proc/self/mountinfo': V2_MOUNT,
      '/sys/fs/cgroup/app.slice/app.service/memory.max': 'max\n', '/sys/fs/cgroup/app.slice/app.service/memory.current': '5000000\n',
      '/sys/fs/cgroup/app.slice/memory.max': `${String(1000 * MB)}\n`, '/sys/fs/cgroup/app.slice/memory.current': `${String(900 * MB)}\n`,
    })
    expect(cgroup.memory()).toEqual({ use: 900 * MB, limit: 1000 * MB })
  })

  it('the smaller of two limits', () => {
    const files = {
      '/proc/self/cgroup': '0::/a/b\n', '/proc/self/mountinfo': V2_MOUNT, '/sys/fs/cgroup/a/b/memory.max': `${String(100 * MB)}\n`,
      '/sys/fs/cgroup/a/b/memory.current': '1', '/sys/fs/cgroup/a/memory.max': `${String(200 * MB)}\n`, '/sys/fs/cgroup/a/memory.current': '2',
    }
    expect(cgroupOf(files).memory()).toEqual({ use: 1, limit: 100 * MB })
    expect(cgroupOf({ ...files, '/sys/fs/cgroup/a/b/memory.max': `${String(300 * MB)}\n` }).memory()).toEqual({ use: 2, limit: 200 * MB })
  })

  it('no limit at all', () => {
    const cgroup = cgroupOf({
      '/proc/self/cgroup': '0::/user\n', '/proc/self/mountinfo': V2_MOUNT, '/sys/fs/cgroup/user/memory.max': 'max\n', '/sys/fs/cgroup/user/memory.current': '77\n',
    })
    expect(cgroup.memory()).toEqual({ use: 77, limit: null })
  })
})

describe('version 1', () => {
  const CGROUP = '4:memory:/docker/abc\n0::/\n'

  it('what is seen from the host', () => {
    const cgroup = cgroupOf({
      '/proc/self/cgroup': CGROUP, '/proc/self/mountinfo': V1_MOUNTS, '/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes': `${String(256 * MB)}\n`,
      '/sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes': `${String(90 * MB)}\n`,
      '/sys/fs/cgroup/memory/docker/abc/memory.stat': `inactive_file 3\ntotal_inactive_file ${String(10 * MB)}\n`,
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n', '/sys/fs/cgroup/memory/memory.usage_in_bytes': '1\n',
    })
    expect(cgroup.memory()).toEqual({ use: 80 * MB, limit: 256 * MB })
  })

  it.each([['with the mount\'s own root', '/docker/abc'], ['with the host\'s path alone', '/']])('what is seen in a container, %s', (_name, root) => {
    const cgroup = cgroupOf({
      '/proc/self/cgroup': CGROUP, '/proc/self/mountinfo': `36 31 0:33 ${root} /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n`,
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': `${String(256 * MB)}\n`, '/sys/fs/cgroup/memory/memory.usage_in_bytes': '5\n',
    })
    expect(cgroup.memory()).toEqual({ use: 5, limit: 256 * MB })
  })
})

describe('without files', () => {
  it.each([['1.8e19 is no limit', UNLIMITED, null], ['nor is 0', 0, null], ['nor what the machine has not', 9000 * MB, null], ['what Node knows is one', 700 * MB, 700 * MB]])('%s', (_name, constrained, limit) => {
    expect(cgroupOf({}, { constrained: () => constrained }).memory()).toEqual({ use: null, limit })
  })

  it('the system\'s own can be read', () => {
    const { use, limit } = new Cgroup().memory()
    expect(use === null || use > 0).toBe(true)
    expect(limit === null || limit > 1_000_000).toBe(true)
  })
})

it('a limit that is changed is noticed, but not looked for each time', () => {
  let time = 0
  const files: Record<string, string> = {
    '/proc/self/cgroup': '0::/\n', '/proc/self/mountinfo': V2_MOUNT, '/sys/fs/cgroup/memory.max': '100\n', '/sys/fs/cgroup/memory.current': '10\n',
  }
  const cgroup = cgroupOf(files, { now: () => time })
  expect(cgroup.memory()).toEqual({ use: 10, limit: 100 })
  files['/sys/fs/cgroup/memory.max'] = '50\n'
  files['/sys/fs/cgroup/memory.current'] = '20\n'
  time = 9999
  expect(cgroup.memory()).toEqual({ use: 20, limit: 100 })
  time = 10_000
  expect(cgroup.memory()).toEqual({ use: 20, limit: 50 })
})
