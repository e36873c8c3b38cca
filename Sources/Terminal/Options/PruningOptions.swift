// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Compression

/// What decides which parts of a model go: the words for layers and those for heads and channels.
enum PruningCriterion: ExpressibleByArgument {
  case layers(DepthCriterion)
  case structures(WidthCriterion)

  init?(argument: String) {
    if let depth = DepthCriterion(rawValue: argument) {
      self = .layers(depth)
    } else if let width = WidthCriterion(rawValue: argument) {
      self = .structures(width)
    } else {
      return nil
    }
  }

  static var allValueStrings: [String] {
    DepthCriterion.allCases.map(\.rawValue) + WidthCriterion.allCases.map(\.rawValue)
  }

  var depth: DepthCriterion? { if case .layers(let criterion) = self { criterion } else { nil } }
  var width: WidthCriterion? { if case .structures(let criterion) = self { criterion } else { nil } }
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
