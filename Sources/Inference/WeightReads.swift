// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel
internal import LanguageModel
internal import ModelFiles

/// Reads a session's weights where they lie by loads alone: what decoding is held against.
package struct WeightReads {
  private let pieces: [UnsafeRawBufferPointer]
  private let kernels: KernelSet
  private let pool: ThreadPool
  private static let pieceBytes = 1 << 20

  /// All weights but an embedding that is only looked up.
  ///
  /// - Precondition: used as long as the session lives.
  package init(of session: InferenceSession) {
    kernels = session.kernels
    pool = session.pool
    let source = session.transformer.model.source
    let head = session.transformer.model.head.matrix.address
    pieces = source.inventory.tensors.enumerated().flatMap { index, tensor -> [UnsafeRawBufferPointer] in
      let bytes = source.bytes(ofTensor: index)
      guard tensor.role != .tokenEmbedding || bytes.baseAddress == head else { return [] }
      return stride(from: 0, to: bytes.count, by: Self.pieceBytes).map {
        UnsafeRawBufferPointer(rebasing: bytes[$0..<min($0 + Self.pieceBytes, bytes.count)])
      }
    }
  }

  /// One job of the threads that decode.
  ///
  /// - Returns: the bytes.
  package func run() -> Int {
    pool.withThreads(pool.counts.decode) {
      pool.forEachChunk(of: pieces.count, grain: 1) { _, range in
        for piece in pieces[range] { _ = kernels.row.pointee.read(piece.baseAddress, piece.count) }
      }
    }
    return pieces.reduce(0) { $0 + $1.count }
  }
}
