// SPDX-License-Identifier: Apache-2.0
import CKernels
package import LanguageModel

/// Turns floats into the blocks of one format and back.
package struct BlockCodec: @unchecked Sendable {
  package let format: BlockFormat
  private let decoder: ck_decoder
  private let encoder: ck_encoder?

  /// Nil for a format whose values are no numbers for a model (integers, 64 bits).
  package init?(_ format: BlockFormat) {
    guard let type = Int32(exactly: format.ggufType), let decoder = ck_decoder_of(KernelSet.best.row, type) else {
      return nil
    }
    self.format = format
    self.decoder = decoder
    encoder = ck_encoder_of(type)
  }

  /// Whether floats can be stored in the format here.
  package var canEncode: Bool { encoder != nil }

  /// The values of whole blocks.
  package func decode(_ blocks: UnsafeRawPointer, into values: UnsafeMutableBufferPointer<Float>) {
    guard let address = values.baseAddress else { return }
    decoder(blocks, address, Int64(values.count))
  }

  /// The blocks of finite values, a whole number of blocks.
  ///
  /// - Parameter weights: how much each value's squared error counts; nil leaves that to the format.
  /// - Precondition: `canEncode`.
  package func encode(
    _ values: UnsafeBufferPointer<Float>, weights: UnsafePointer<Float>?, into blocks: UnsafeMutableRawPointer
  ) {
    encoder?(values.baseAddress, weights, blocks, Int64(values.count))
  }

  package func byteCount(of elements: Int) -> Int { elements / format.elementsPerBlock * format.bytesPerBlock }
}
