import { describe, expect, it } from '@jest/globals'
import { layoutOf, type View } from '../../../../../middleware/memory/page/browser/layout.js'
import { noColumns } from '../../../../../middleware/memory/page/browser/timeline.js'
import { history, MB, NOW } from '../histories.js'

function view(changes: Partial<View> = {}): View {
  return { columns: history().fine, collections: [], limits: { heap: null, cgroup: null }, from: NOW - 3_600_000, to: NOW, gap: 15_000, ...changes }
}

describe('layoutOf', () => {
  it.each([0, 360, 1120])('keeps the lanes apart and inside, %d pixels wide', (width) => {
    const { memory, collections, load, height, left, right, ...layout } = layoutOf(view(), width)
    const edges = [0, memory.top, memory.bottom, collections.top, collections.bottom, load.top, load.bottom, height]
    expect(edges).toEqual([...edges].sort((one, other) => one - other))
    expect(left).toBeLessThan(right)
    expect(right).toBeLessThan(layout.width)
  })

  it('puts the newest sample at the right end, and the largest value below the top', () => {
    const { x, yMemory, right, memory } = layoutOf(view(), 1000)
    expect(x(NOW)).toBe(right)
    expect(yMemory(Math.max(...history().fine.rss.map(Number)))).toBeGreaterThanOrEqual(memory.top)
    expect(yMemory(0)).toBe(memory.bottom)
  })

  it('has axes where there is nothing to draw', () => {
    const { memoryAxis, loadAxis } = layoutOf(view({ columns: noColumns() }), 1000)
    expect([memoryAxis.top, loadAxis.top]).toEqual([MB, 1])
  })

  it('shows a limit that is near, tells of one that is far, and has none of nothing', () => {
    const layout = layoutOf(view({ limits: { heap: 9000 * MB, cgroup: 300 * MB } }), 1000)
    expect([layout.shown, layout.beyond]).toEqual([[{ name: 'cgroup limit', value: 300 * MB }], [{ name: 'heap limit', value: 9000 * MB }]])
    expect(layoutOf(view({ limits: { heap: 0, cgroup: null } }), 1000).beyond).toEqual([])
  })

  it('scales to what is in view alone', () => {
    const columns = { ...noColumns(), time: [1000, 2000], rss: [900 * MB, 90 * MB] }
    expect(layoutOf(view({ columns, from: 1500, to: 2000 }), 1000).memoryAxis.top).toBe(100 * MB)
  })
})
