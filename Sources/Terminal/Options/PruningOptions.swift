// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Compression

/// What decides which parts of a model go: the words for layers, those for heads and channels, and those for weights.
enum PruningCriterion: ExpressibleByArgument {
  case layers(DepthCriterion)
  case structures(WidthCriterion)
  case weights(SparsityCriterion)

  init?(argument: String) {
    if let depth = DepthCriterion(rawValue: argument) {
      self = .layers(depth)
    } else if let width = WidthCriterion(rawValue: argument) {
      self = .structures(width)
    } else if let weights = SparsityCriterion(rawValue: argument) {
      self = .weights(weights)
    } else {
      return nil
    }
  }

  static var allValueStrings: [String] {
    DepthCriterion.allCases.map(\.rawValue) + WidthCriterion.allCases.map(\.rawValue)
      + SparsityCriterion.allCases.map(\.rawValue)
  }

}

extension PruningChoice {
  /// Of several criteria for the same parts the last one holds.
  init(_ criteria: [PruningCriterion], layers: Range<Int>?) {
    self.init(layers: layers)
    for criterion in criteria {
      switch criterion {
      case .layers(let criterion): depth = criterion
      case .structures(let criterion): width = criterion
      case .weights(let criterion): weights = criterion
      }
    }
  }
}

/// `4-27`: layers from one to another, both included.
struct LayerRange: ExpressibleByArgument {
  let layers: Range<Int>

  init?(argument: String) {
    let numbers = argument.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
    guard numbers.count == 2, let first = numbers[0], let last = numbers[1], first >= 0, first <= last else {
      return nil
    }
    layers = first..<last + 1
  }
}
