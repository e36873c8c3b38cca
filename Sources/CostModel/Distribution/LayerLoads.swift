// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import LanguageModel

/// How weights and cache are spread over the layers: shares of the sums, added up from the first layer.
struct LayerLoads: Sendable {
  let layers: Int
  private let dense: [Double]
  private let experts: [Double]
  private let cache: [Double]

  init(_ model: LanguageModelDescription, _ workload: Workload) {
    let architecture = model.architecture
    layers = architecture.layers.count
    var dense = [Double](repeating: 0, count: layers)
    var experts = dense
    for tensor in model.inventory.tensors where tensor.layer >= 0 && Int(tensor.layer) < layers {
      if TensorClass(tensor.role) == .routedExperts {
        experts[Int(tensor.layer)] += Double(tensor.elements)
      } else {
        dense[Int(tensor.layer)] += Double(tensor.elements)
      }
    }
    self.dense = Self.sums(dense)
    self.experts = Self.sums(experts)
    cache = Self.sums(
      architecture.layers.map {
        $0.cacheBytes(tokens: workload.contextTokens, bitsPerElement: workload.keyValueFormat.bitsPerElement)
      })
  }

  /// Sums from the first layer on, over the sum of all; even shares where there is nothing.
  private static func sums(_ values: [Double]) -> [Double] {
    let all = values.reduce(0, +)
    var result = [0.0]
    for value in values { result.append(result[result.count - 1] + (all > 0 ? value / all : 1 / Double(values.count))) }
    return result
  }

  /// Of some layers: shares of dense weights, of routed experts and of the cache.
  func of(_ range: Range<Int>) -> (dense: Double, experts: Double, cache: Double) {
    let (from, to) = (max(0, min(layers, range.lowerBound)), max(0, min(layers, range.upperBound)))
    guard from < to else { return (0, 0, 0) }
    return (dense[to] - dense[from], experts[to] - experts[from], cache[to] - cache[from])
  }
}

extension Distribution {
  /// The layers of each stage, as llama.cpp splits them: layers and the head in equal numbers, or in proportion to the
  /// devices' free memory, the head last.
  package var stageLayers: [Range<Int>] {
    let counted = deviceLayers + (hasHead ? 1 : 0)
    let first = layers - deviceLayers
    let all = shares.reduce(0, +)
    func border(_ stage: Int) -> Int {
      guard shares.count == stages, all > 0 else { return (stage * counted + stages - 1) / max(1, stages) }
      let before = stage == stages ? 1 : shares.prefix(stage).reduce(0, +) / all
      return min(counted, Int((before * Double(counted) - 1e-9).rounded(.up)))
    }
    return (0..<stages).map { stage in
      let (from, to) = (border(stage), border(stage + 1))
      return first + min(deviceLayers, from)..<first + min(deviceLayers, max(from, to))
    }
  }
}
