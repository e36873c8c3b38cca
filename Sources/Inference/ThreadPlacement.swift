// SPDX-License-Identifier: Apache-2.0
import CHostProbe
internal import CostModel
package import Hardware
internal import HardwareProbe

/// The processing unit of each thread of a pool.
///
/// Cores first, and the second threads of cores only when these are taken; of each kind the NUMA nodes by turns: a few
/// threads then draw on the memory of all nodes. Neighbouring threads then stand on the same node, since their rows
/// are neighbours.
struct ThreadPlacement: Sendable, Equatable {
  /// Empty where there are more threads than units: the system places them better than we do.
  let units: [ProcessingUnit]
  /// Whether threads must stay on their nodes, the pool's caller too.
  let hasNodes: Bool

  init(of counts: ThreadCounts, on available: [ProcessingUnit]) {
    hasNodes = Set(available.map(\.node)).count > 1
    guard counts.most <= available.count else {
      units = []
      return
    }
    var dealt = Self.dealt(available)[...]
    let both = min(counts.decode, counts.prefill)
    units = [both, counts.most - both].flatMap { count in
      defer { dealt = dealt.dropFirst(count) }
      return dealt.prefix(count).enumerated().sorted { ($0.element.node, $0.offset) < ($1.element.node, $1.offset) }
        .map(\.element)
    }
  }

  /// All units in the order in which threads take them.
  private static func dealt(_ available: [ProcessingUnit]) -> [ProcessingUnit] {
    var ofCore: [Int: Int] = [:]
    var ofNode: [[Int]: Int] = [:]
    let ranked = available.sorted { $0.number < $1.number }.map { unit in
      let sibling = ofCore[unit.core, default: 0]
      let turn = ofNode[[unit.node, sibling], default: 0]
      ofCore[unit.core] = sibling + 1
      ofNode[[unit.node, sibling]] = turn + 1
      return (unit: unit, rank: (sibling, turn, unit.node))
    }
    return ranked.sorted { $0.rank < $1.rank }.map(\.unit)
  }
}

extension ProcessingUnit {
  /// Those that this process may run on: as they were before any pool placed a thread.
  package static let here: [ProcessingUnit] = {
    let allowed = numbersOfThisThread().map { Int($0) }
    let known = Dictionary(reading(.host).map { ($0.number, $0) }, uniquingKeysWith: { first, _ in first })
    return allowed.map { known[$0] ?? ProcessingUnit($0, core: $0, node: 0) }
  }()

  /// The numbers of those that the calling thread may run on.
  static func numbersOfThisThread() -> [Int32] {
    var numbers = [Int32](repeating: 0, count: 1024)
    let count = Int(chp_allowed_processors(&numbers, Int32(numbers.count)))
    return Array(numbers.prefix(max(0, count)))
  }
}
