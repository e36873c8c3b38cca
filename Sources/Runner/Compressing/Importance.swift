// SPDX-License-Identifier: Apache-2.0
package import Inference
package import LanguageModel

/// How much each input channel of each matrix matters: the mean square of what flows through it.
///
/// An error e of a weight adds e² · mean square of its input to the squared error of the matrix's output, as long as the
/// channels' errors are independent.
package struct Importance: Sendable, Equatable {
  /// By the tensor's place in the inventory, one value per column.
  package private(set) var squares: [Int: [Float]] = [:]

  package init(squares: [Int: [Float]] = [:]) { self.squares = squares }

  /// The weights of a tensor's squared errors by column; nil where nothing was seen.
  ///
  /// A channel that the text never used keeps a small share of the mean, so that its weights stay near what they were.
  package func weights(ofTensor index: Int) -> [Float]? {
    guard let squares = squares[index], !squares.isEmpty else { return nil }
    let mean = squares.reduce(0, +) / Float(squares.count)
    guard mean > 0, mean.isFinite else { return nil }
    return squares.map { $0 / mean + Self.floor }
  }

  static let floor: Float = 1e-4

  /// Runs tokens through a session, window by window, and gathers the mean squares.
  ///
  /// - Parameter inventory: the tensors of the session's weights.
  package static func gather(
    _ tokens: [Int32], window: Int, session: InferenceSession, inventory: TensorInventory,
    progress: (_ done: Int) -> Void = { _ in }, isCancelled: () -> Bool = { false }
  ) throws -> Importance {
    let watch = ProductWatch(inventory)
    session.watchProducts { x, count, tensors in watch.add(x, tokens: count, tensors) }
    for start in stride(from: 0, to: tokens.count, by: window) {
      if isCancelled() { break }
      progress(start)
      session.truncate()
      try session.forEachLogits(of: Array(tokens[start..<min(start + window, tokens.count)])) { _, _ in }
    }
    return watch.result
  }
}

/// Adds up the squares of what the products read.
private final class ProductWatch {
  private struct Sum {
    var squares: [Double]
    var tokens = 0
  }

  private let columns: [Int]
  private var sums: [Int: Sum] = [:]

  init(_ inventory: TensorInventory) { columns = inventory.tensors.map { Int($0.columns) } }

  func add(_ x: UnsafePointer<Float>, tokens: Int, _ tensors: [Int]) {
    for tensor in tensors {
      let columns = self.columns[tensor]
      var sum = sums[tensor] ?? Sum(squares: [Double](repeating: 0, count: columns))
      sums[tensor] = nil
      for token in 0..<tokens {
        for column in 0..<columns {
          let value = Double(x[token * columns + column])
          sum.squares[column] += value * value
        }
      }
      sum.tokens += tokens
      sums[tensor] = sum
    }
  }

  var result: Importance {
    Importance(squares: sums.mapValues { sum in sum.squares.map { Float($0 / Double(max(1, sum.tokens))) } })
  }
}
