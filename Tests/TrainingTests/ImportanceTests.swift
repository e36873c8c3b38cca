// SPDX-License-Identifier: Apache-2.0
import Inference
import LanguageModel
import Testing

@testable import Training

@Suite struct ImportanceTests {
  @Test func `every weight of a layer's matrices counts in one structure, by its product with its gradient`() throws {
    try withPool { pool in
      let network = try Small.network(Double.self, Small.shape(), pool: pool)
      _ = WindowPass(network).accumulate(Small.window[...], TokenLoss())
      let importance = StructureImportance(network)
      for (index, layer) in importance.layers.enumerated() {
        #expect(layer.groups.count == network.shape.layers[index].groups)
        #expect(layer.neurons.count == network.shape.layers[index].inner)
        for (found, isAttention) in [(layer.groups, true), (layer.neurons, false)] {
          let slots = network.parameters.slots.filter {
            $0.key.layer == index && $0.key.role.isProjection && ($0.key.name.contains("attn")) == isAttention
          }
          let all = slots.flatMap(\.range).reduce(0.0) {
            $0 + abs(network.parameters[$1] * network.parameters.gradient(at: $1))
          }
          #expect(abs(found.reduce(0, +) - all) < 1e-12 * all)
        }
      }
    }
  }

  @Test func `a neuron whose output is cut off matters not at all`() throws {
    try withPool { pool in
      let network = try Small.network(Double.self, Small.shape(), pool: pool)
      let down = try #require(network.parameters.slot(ParameterKey(.feedForwardDown, layer: 0)))
      for row in 0..<down.rows { network.parameters[down.offset + row * down.columns + 5] = 0 }
      _ = WindowPass(network).accumulate(Small.window[...], TokenLoss())
      let neurons = StructureImportance(network).layers[0].neurons
      #expect(neurons[5] == 0)
      #expect(neurons.filter { $0 == 0 }.count == 1)
    }
  }

  @Test func `the trained model's importances are finite and unequal`() throws {
    let tokens = try Story.tokens()
    let importance = try withPool { pool in
      try StructureImportance.gather(Story.file(), tokens: tokens, windows: 2, context: 16, pool: pool)
    }
    for layer in importance.layers {
      #expect(layer.groups.allSatisfy { $0 > 0 && $0.isFinite })
      #expect(Set(layer.neurons).count > layer.neurons.count / 2)
    }
  }
}
