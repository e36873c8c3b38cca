// SPDX-License-Identifier: Apache-2.0
import CKernels
package import CostModel
package import LanguageModel

/// How a kernel set multiplies matrices in one format: what its dispatch does, in words.
package struct KernelPath: Sendable, Equatable {
  package enum Layout: String, Sendable {
    /// Sixteen rows side by side in panels, made when the weights are loaded.
    case panels
    /// The file's own order.
    case rows
  }

  package enum Arithmetic: String, Sendable {
    /// 8-bit integers on both sides, the input converted once per product.
    case integers
    /// 32-bit floats, to which the weights are widened in registers.
    case floats
    /// 16-bit integers on both sides, of weights that are floats or decoded to them, 256 columns to a scale.
    case words
    /// 16-bit floats (bf16) on both sides, rounded once per product, and sums of 32 bits: tiles of AMX.
    case tiles
    /// Blocks are decoded to 32-bit floats in a buffer and multiplied from there.
    case decoded
    /// The system's OpenBLAS.
    case library
  }

  package struct Product: Sendable, Equatable {
    package let layout: Layout
    package let arithmetic: Arithmetic
  }

  package let format: RuntimeFormat
  /// One token at a time.
  package let decode: Product
  /// Many tokens at a time.
  package let prefill: Product

  /// Why the format is slow with this set; nil where it is not.
  package let doubt: Doubt?

  package enum Doubt: String, Sendable {
    case noPanels = "no-panels"
    case notRepacked = "not-repacked"
    case keptRows = "kept-rows"

    package var sentence: String {
      switch self {
      case .noPanels: "each block is decoded to floats first: the format has no panels"
      case .keptRows: "many tokens at a time go through floats, zeros included: only one at a time profits"
      case .notRepacked: "many tokens at a time go through floats: the set takes the file's order of rows"
      }
    }
  }
}

extension KernelSet {
  /// How the set multiplies a format; nil for one that it cannot read.
  package func path(_ format: BlockFormat) -> KernelPath? { path(RuntimeFormat(format)) }

  package func path(_ format: RuntimeFormat) -> KernelPath? {
    let type = format.kernelType
    guard multiplies(type) else { return nil }
    if format.isKeptRow {
      return KernelPath(
        format: format, decode: .init(layout: .rows, arithmetic: .floats),
        prefill: .init(layout: .rows, arithmetic: many(type, isInterleaved: false) ?? .decoded), doubt: .keptRows)
    }
    if interleaves(type) {
      let one: KernelPath.Arithmetic = ck_panel_input(type) == CK_INPUT_F32 ? .floats : .integers
      return KernelPath(
        format: format, decode: .init(layout: .panels, arithmetic: one),
        prefill: .init(layout: .panels, arithmetic: many(type, isInterleaved: true) ?? one), doubt: nil)
    }
    let isFloat = type == CK_F32.rawValue
    let single: KernelPath.Arithmetic =
      ck_is_direct(row, type) == 0 ? .decoded : ck_input_of(row, type) == CK_INPUT_F32 ? .floats : .integers
    let own = many(type, isInterleaved: false)
    let batch: KernelPath.Arithmetic = isFloat && openBLAS != nil ? .library : isFloat ? .floats : own ?? .decoded
    let doubt: KernelPath.Doubt? = isFloat ? nil : ck_has_panels(type) == 0 ? .noPanels : .notRepacked
    return KernelPath(
      format: format, decode: .init(layout: .rows, arithmetic: single),
      prefill: .init(layout: .rows, arithmetic: batch), doubt: doubt)
  }

  /// What many tokens at a time are multiplied in, where that is neither floats nor what one token is multiplied in.
  private func many(_ type: Int32, isInterleaved: Bool) -> KernelPath.Arithmetic? {
    switch ck_many_input(row, type, isInterleaved ? 1 : 0, Int64(Self.wholeColumns), Int64(ThreadCounts.fewRows + 1)) {
    case CK_INPUT_TILES: .tiles
    case CK_INPUT_WORDS: .words
    default: nil
    }
  }

  /// A row length that every block divides, as of all matrices of common models.
  private static let wholeColumns = 256

  /// What products with a format compute with, as operators count their work.
  package func arithmetic(_ format: StorageFormat, isBatch: Bool) -> OperatorWork.Arithmetic {
    guard case .block(let block) = format, let path = path(block) else { return .floats }
    switch (isBatch ? path.prefill : path.decode).arithmetic {
    case .integers: return .integers
    case .tiles: return .tiles
    case .words: return .words
    case .floats, .decoded, .library: return .floats
    }
  }
}
