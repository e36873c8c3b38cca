// SPDX-License-Identifier: Apache-2.0

/// The layers whose tensors a recipe stores in another format than the rest.
///
/// - Source: llama.cpp's src/llama-quant.cpp; all divisions are of integers.
enum LayerSelection: UInt8, Sendable, CaseIterable {
  case all, none
  case firstTwo, firstFour
  case firstSixteenth, firstEighth
  /// The first and last eighth, and every third layer between.
  case sensitive
  /// All but the first and last eighth.
  case inner

  /// Whether the layer at `index` of `count` is one of them.
  func contains(_ index: Int, of count: Int) -> Bool {
    switch self {
    case .all: true
    case .none: false
    case .firstTwo: index < 2
    case .firstFour: index < 4
    case .firstSixteenth: index < count / 16
    case .firstEighth: index < count / 8
    case .sensitive: index < count / 8 || index >= 7 * count / 8 || (index - count / 8) % 3 == 2
    case .inner: index >= count / 8 && index < 7 * count / 8
    }
  }
}
