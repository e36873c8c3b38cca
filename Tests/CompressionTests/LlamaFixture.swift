// SPDX-License-Identifier: Apache-2.0
import LanguageModel

/// A llama-type model written out by hand, independent of the code that describes models.
struct LlamaFixture: Sendable {
  var name: String
  var modelType = "llama"
  var layers: Int
  var hidden: Int
  var feedForward: Int
  var heads: Int
  var keyValueHeads: Int
  var vocabulary: Int
  var isTied = false
  var hasBias = false
  var headWidth: Int { hidden / heads }

  var architecture: ModelArchitecture {
    let attention = Attention(
      heads: heads, keyValueHeads: keyValueHeads, keyWidth: headWidth, valueWidth: headWidth)
    let layer = LayerDescription(mixers: [.attention(attention)], feedForward: FeedForward(width: feedForward))
    return ModelArchitecture(
      modelType: modelType, vocabularySize: vocabulary, hiddenSize: hidden, contextLength: nil,
      layers: Array(repeating: layer, count: layers), hasTiedEmbeddings: isTied)
  }

  var inventory: TensorInventory {
    var tensors = [TensorDescription(.tokenEmbedding, rows: vocabulary, columns: hidden)]
    for layer in 0..<layers { tensors += block(layer) }
    tensors.append(.vector(.outputNorm, hidden))
    if !isTied { tensors.append(TensorDescription(.outputHead, rows: vocabulary, columns: hidden)) }
    return TensorInventory(tensors: tensors)
  }

  private func block(_ layer: Int) -> [TensorDescription] {
    let keyValue = keyValueHeads * headWidth
    let matrices: [(TensorRole, Int, Int)] = [
      (.attentionQuery, hidden, hidden), (.attentionKey, keyValue, hidden), (.attentionValue, keyValue, hidden),
      (.attentionOutput, hidden, hidden), (.feedForwardGate, feedForward, hidden),
      (.feedForwardUp, feedForward, hidden),
      (.feedForwardDown, hidden, feedForward),
    ]
    var vectors: [(TensorRole, Int)] = [(.attentionNorm, hidden), (.feedForwardNorm, hidden)]
    if hasBias {
      vectors += [(.attentionQueryBias, hidden), (.attentionKeyBias, keyValue), (.attentionValueBias, keyValue)]
    }
    return matrices.map { TensorDescription($0.0, layer: layer, rows: $0.1, columns: $0.2) }
      + vectors.map { .vector($0.0, layer: layer, $0.1) }
  }

  // Shapes from the models' config.json; parameter totals in the tests are published ones.
  static let tinyLlama = LlamaFixture(
    name: "TinyLlama-1.1B", layers: 22, hidden: 2048, feedForward: 5632, heads: 32, keyValueHeads: 4,
    vocabulary: 32000)
  static let llama2With7B = LlamaFixture(
    name: "Llama-2-7B", layers: 32, hidden: 4096, feedForward: 11008, heads: 32, keyValueHeads: 32, vocabulary: 32000)
  static let llama31With8B = LlamaFixture(
    name: "Llama-3.1-8B", layers: 32, hidden: 4096, feedForward: 14336, heads: 32, keyValueHeads: 8,
    vocabulary: 128256)
  static let llama31With70B = LlamaFixture(
    name: "Llama-3.1-70B", layers: 80, hidden: 8192, feedForward: 28672, heads: 64, keyValueHeads: 8,
    vocabulary: 128256)
  static let llama32With1B = LlamaFixture(
    name: "Llama-3.2-1B", layers: 16, hidden: 2048, feedForward: 8192, heads: 32, keyValueHeads: 8,
    vocabulary: 128256, isTied: true)
  static let llama32With3B = LlamaFixture(
    name: "Llama-3.2-3B", layers: 28, hidden: 3072, feedForward: 8192, heads: 24, keyValueHeads: 8,
    vocabulary: 128256, isTied: true)
  static let qwen25With05B = LlamaFixture(
    name: "Qwen2.5-0.5B", modelType: "qwen2", layers: 24, hidden: 896, feedForward: 4864, heads: 14,
    keyValueHeads: 2, vocabulary: 151936, isTied: true, hasBias: true)

  /// The published bits per weight of this model were computed without the biases of query, key and value.
  static let qwen25WithoutBias: LlamaFixture = {
    var fixture = qwen25With05B
    fixture.hasBias = false
    return fixture
  }()
}
