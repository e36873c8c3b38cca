// SPDX-License-Identifier: Apache-2.0
internal import Inference
internal import LanguageModel

extension WindowPass {
  /// Adds `share` of the gradients of a window's mean loss; gives that loss.
  ///
  /// - Parameter window: one token more than is predicted from.
  package func accumulate(
    _ window: ArraySlice<Int32>, _ loss: TokenLoss, teacher: WindowPass<Number>? = nil, share: Number = 1
  ) -> TokenLoss.Value {
    let value = run(window, loss, teacher: teacher, share: share, differentiates: true)
    backward(window.dropLast())
    return value
  }

  /// The mean loss of a window.
  package func loss(
    of window: ArraySlice<Int32>, _ loss: TokenLoss = TokenLoss(), teacher: WindowPass<Number>? = nil
  ) -> TokenLoss.Value {
    run(window, loss, teacher: teacher, share: 0, differentiates: false)
  }

  /// The logits (vocabulary) after each token of a window.
  package func logits(of tokens: ArraySlice<Int32>) -> [[Number]] {
    forward(tokens)
    var all: [[Number]] = []
    forEachPart(of: tokens.count) { rows in
      let logits = logits(rows)
      let vocabulary = network.shape.vocabulary
      for row in 0..<rows.count {
        all.append(Array(UnsafeBufferPointer(start: logits + row * vocabulary, count: vocabulary)))
      }
    }
    return all
  }

  private func run(
    _ window: ArraySlice<Int32>, _ loss: TokenLoss, teacher: WindowPass<Number>?, share: Number, differentiates: Bool
  ) -> TokenLoss.Value {
    let (inputs, targets) = (window.dropLast(), Array(window.dropFirst()))
    forward(inputs)
    teacher?.forward(inputs)
    var sum = TokenLoss.Value()
    let scale = share / Number(targets.count)
    forEachPart(of: targets.count) { rows in
      let values = losses(targets[rows], logits(rows), teacher: teacher?.logits(rows), loss, scale: scale)
      for value in values {
        sum.total += value.total / Double(targets.count)
        sum.crossEntropy += value.crossEntropy / Double(targets.count)
      }
      if differentiates { differentiateHead(rows) }
    }
    return sum
  }

  /// The logits of some rows of the window, (rows, vocabulary).
  private func logits(_ rows: Range<Int>) -> UnsafeMutablePointer<Number> {
    let states = memory.normed.address + rows.lowerBound * network.shape.hidden
    network.operators.linear.apply(network.head, to: states, tokens: rows.count, into: memory.logits.address)
    return memory.logits.address
  }

  // The rows' gradients with respect to the normed state go to their place in `memory.part`.
  private func differentiateHead(_ rows: Range<Int>) {
    let start = rows.lowerBound * network.shape.hidden
    network.operators.linear.differentiate(
      network.head, memory.logits.address, x: memory.normed.address + start, tokens: rows.count, adds: false,
      into: memory.part.address + start)
  }

  private func losses(
    _ targets: ArraySlice<Int32>, _ logits: UnsafeMutablePointer<Number>, teacher: UnsafeMutablePointer<Number>?,
    _ loss: TokenLoss, scale: Number
  ) -> [TokenLoss.Value] {
    let vocabulary = network.shape.vocabulary
    var values = [TokenLoss.Value](repeating: .init(), count: targets.count)
    values.withUnsafeMutableBufferPointer { values in
      network.operators.linear.products.pool.forEachChunk(of: targets.count, grain: 8) { _, range in
        for row in range {
          values[row] = loss.differentiate(
            logits + row * vocabulary, teacher: teacher.map { $0 + row * vocabulary }, vocabulary: vocabulary,
            target: Int(targets[targets.startIndex + row]), scale: scale)
        }
      }
    }
    return values
  }

  private func forEachPart(of count: Int, _ body: (Range<Int>) -> Void) {
    let part = WindowMemory<Number>.logitRows
    for start in stride(from: 0, to: count, by: part) { body(start..<min(start + part, count)) }
  }
}
