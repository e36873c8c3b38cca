// SPDX-License-Identifier: Apache-2.0

/// Which window of a text comes when: every epoch cuts it at another offset and goes through it in another order.
///
/// A function of seed and place alone, so that a resumed training goes on where it stopped.
package struct WindowOrder: Sendable {
  package let tokens: [Int32]
  package let context: Int
  package let seed: UInt64
  /// Windows of an epoch: those that fit behind the largest offset.
  package let windows: Int
  private var epoch = -1
  private var offset = 0
  private var order: [Int] = []

  /// - Throws: `TrainingError.textTooShort` for less than one window and its last token's successor.
  package init(_ tokens: [Int32], context: Int, seed: UInt64) throws(TrainingError) {
    guard tokens.count > context else { throw .textTooShort(tokens: tokens.count, needed: context + 1) }
    self.tokens = tokens
    self.context = context
    self.seed = seed
    windows = max(1, (tokens.count - 1 - (context - 1)) / context)
  }

  /// The window at a place of the whole training: context + 1 tokens.
  package mutating func window(at place: Int) -> ArraySlice<Int32> {
    if place / windows != epoch { begin(epoch: place / windows) }
    let start = offset + order[place % windows] * context
    return tokens[start...start + context]
  }

  private mutating func begin(epoch: Int) {
    self.epoch = epoch
    var random = SeededNumbers(seed: seed &+ UInt64(epoch) &* 0xD1B5_4A32_D192_ED03)
    let slack = tokens.count - 1 - windows * context
    offset = Int.random(in: 0...min(slack, context - 1), using: &random)
    order = Array(0..<windows).shuffled(using: &random)
  }
}
