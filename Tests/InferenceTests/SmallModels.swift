// SPDX-License-Identifier: Apache-2.0
import CKernels
import CostModel
import Foundation
import Inference
import LanguageModel
import ModelFiles
import Testing

/// A decoder small enough for the naive twin, with every width a multiple of 256 so that every format applies.
func smallArchitecture(
  _ modelType: String = "llama", layers: Int = 2, heads: Int = 4, keyValueHeads: Int = 2, window: Int? = nil,
  pairing: RopeRules.Pairing = .neighbours, isTied: Bool = false
) -> ModelArchitecture {
  let attention = Attention(
    heads: heads, keyValueHeads: keyValueHeads, keyWidth: 256 / heads, valueWidth: 256 / heads, window: window)
  let layer = LayerDescription(mixers: [.attention(attention)], feedForward: FeedForward(width: 512))
  return ModelArchitecture(
    modelType: modelType, vocabularySize: 96, hiddenSize: 256, contextLength: 128,
    layers: Array(repeating: layer, count: layers), hasTiedEmbeddings: isTied,
    forward: ForwardRules(rope: RopeRules(pairing: pairing)))
}

/// Its tensors, matrices in one format.
func smallInventory(
  _ architecture: ModelArchitecture, _ format: BlockFormat, hasBiases: Bool = false
) -> TensorInventory {
  let hidden = architecture.hiddenSize
  func matrix(_ role: TensorRole, _ layer: Int, _ rows: Int, _ columns: Int) -> TensorDescription {
    TensorDescription(role, layer: layer, rows: rows, columns: columns, format: .block(format))
  }
  var tensors = [
    matrix(.tokenEmbedding, -1, architecture.vocabularySize, hidden), .vector(.outputNorm, hidden),
  ]
  if !architecture.hasTiedEmbeddings { tensors.append(matrix(.outputHead, -1, architecture.vocabularySize, hidden)) }
  for (index, layer) in architecture.layers.enumerated() {
    guard case .attention(let shape)? = layer.mixers.first, let part = layer.feedForward else { continue }
    let keys = shape.keyValueHeads * shape.keyWidth
    tensors += [
      .vector(.attentionNorm, layer: index, hidden), .vector(.feedForwardNorm, layer: index, hidden),
      matrix(.attentionQuery, index, hidden, hidden), matrix(.attentionKey, index, keys, hidden),
      matrix(.attentionValue, index, keys, hidden), matrix(.attentionOutput, index, hidden, hidden),
      matrix(.feedForwardGate, index, part.width, hidden), matrix(.feedForwardUp, index, part.width, hidden),
      matrix(.feedForwardDown, index, hidden, part.width),
    ]
    if hasBiases {
      tensors += [
        .vector(.attentionQueryBias, layer: index, hidden), .vector(.attentionKeyBias, layer: index, keys),
        .vector(.attentionValueBias, layer: index, keys),
      ]
    }
  }
  return TensorInventory(tensors: tensors)
}

/// Every set of kernels that runs here.
func runnableKernels() -> [KernelSet] {
  KernelSet.Name.allCases.compactMap { try? KernelSet($0) }
}

/// A pool that ends with the closure.
func withPool<Result>(_ count: Int, _ body: (ThreadPool) throws -> Result) throws -> Result {
  let pool = try ThreadPool(count: count)
  defer { pool.stop() }
  return try body(pool)
}

/// Σ|a − b|² / Σ|b|², under the root: one number for how far two lists of logits are apart.
func relativeDistance(_ a: some Sequence<Float>, _ b: [Double]) -> Double {
  let squares = zip(a, b).reduce(into: (0.0, 0.0)) { sums, pair in
    sums.0 += (Double(pair.0) - pair.1) * (Double(pair.0) - pair.1)
    sums.1 += pair.1 * pair.1
  }
  return (squares.0 / squares.1).squareRoot()
}

/// Weights that were made interleaved, taken back to the order of a file.
final class RowsOfPanels: WeightSource {
  let path = "rows of panels"
  let inventory: TensorInventory
  private nonisolated(unsafe) let tensors: [UnsafeMutableBufferPointer<UInt8>]

  init(_ source: any WeightSource) {
    inventory = source.inventory
    tensors = source.inventory.tensors.enumerated().map { index, tensor in
      let bytes = source.bytes(ofTensor: index)
      let rows = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count)
      _ = rows.initialize(from: bytes)
      guard case .block(let format) = tensor.format else { return rows }
      let rowBytes = bytes.count / Int(tensor.rows)
      for row in 0..<source.interleavedRows(ofTensor: index) {
        let panel = bytes.baseAddress.map { $0 + row / 16 * 16 * rowBytes }
        ck_panel_row(
          Int32(format.ggufType), panel, Int64(row % 16), Int64(Int(tensor.columns) / format.elementsPerBlock),
          rows.baseAddress.map { $0 + row * rowBytes })
      }
      return rows
    }
  }

  func bytes(ofTensor index: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(tensors[index])
  }
  deinit { for tensor in tensors { tensor.deallocate() } }
  func prefetch(tensor index: Int) {}
}
