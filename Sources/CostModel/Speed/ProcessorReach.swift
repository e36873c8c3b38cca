// SPDX-License-Identifier: Apache-2.0
package import Hardware
internal import Quantities

/// What of a machine's memory bandwidth so many threads can reach.
///
///     min(threads × what a core reads, nodes that they stand on × a node's bandwidth)
///
/// Threads are counted onto as few NUMA nodes as hold them, one for each core: a process that is kept to some cores, or
/// takes few threads, reads what those nodes read. It says nothing of a measured rate, which knows all this by itself.
package struct ProcessorReach: Sendable, Equatable {
  /// Threads on cores of their own.
  package let threads: Int
  package let nodes: Int
  /// Nodes on which the threads stand.
  package let nodesReached: Int
  /// Of other nodes' memory, where that of the own counts 10 (ACPI SLIT).
  private let distance: Double

  /// Bytes per second that one core asks for at most.
  ///
  /// - Source: the most that published rows show, 51 GB/s of q8_0 on one thread of a Ryzen 9 7950X; in 16 bits 37 there and
  ///   31 on a Threadripper PRO 5975WX. Cores of servers read less: 12.5 GB/s on a Sapphire Rapids.
  static let coreReads = 50e9
  /// What firmware of machines with two sockets usually states.
  static let usualDistance = 21.0

  /// - Parameter threads: that run; second threads of a core read nothing more.
  package init(_ machine: HardwareProfile, threads: Int) {
    let processor = machine.processor
    let cores = max(1, processor.coreCount)
    let computing = machine.memory.numaNodes.filter { $0.processingUnitCount > 0 }
    nodes = max(1, computing.isEmpty ? processor.packageCount : computing.count)
    self.threads = max(1, min(threads, cores))
    let perNode = max(1, cores / nodes)
    nodesReached = min(nodes, (self.threads + perNode - 1) / perNode)
    let others = computing.flatMap { node in
      node.distances.enumerated().filter { $0.offset != node.index && $0.element > 10 }.map { Double($0.element) }
    }
    distance = others.isEmpty ? Self.usualDistance : others.reduce(0, +) / Double(others.count)
  }

  /// Bytes per second of the machine's peak.
  package func bandwidth(of peak: Double) -> Double {
    min(Double(threads) * Self.coreReads, peak * Double(nodesReached) / Double(nodes))
  }

  /// How many times longer reads take where the pages are spread over all nodes that the threads stand on.
  ///
  /// A core waits for as many lines at a time wherever they are, so its reads slow down as their latency grows, of which
  /// the distances tell (Little's law).
  package var remoteFactor: Double {
    let remote = 1 - 1 / Double(nodesReached)
    return 1 - remote + remote * distance / 10
  }

  /// What limits the reads, for people; nil where the whole memory is reached from one node.
  func sentence(of peak: Double) -> String? {
    guard nodes > 1 || bandwidth(of: peak) < peak else { return nil }
    let rate = Bandwidth(magnitude: bandwidth(of: peak))
    return "\(threads) \(threads == 1 ? "thread reads" : "threads read") at most \(rate)"
      + (nodes > 1 ? " from \(nodesReached) of \(nodes) memory nodes" : "")
  }
}
