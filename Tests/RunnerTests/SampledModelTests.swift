// SPDX-License-Identifier: Apache-2.0
import Compression
import Foundation
import LanguageModel
import Quantities
import Runner
import TestSupport
import Testing

@Suite struct SampledModelTests {
  static let variants = ["f16", "q8_0", "q4_k_m", "q5_k_m", "q3_k_m", "q2_k", "iq3_xxs"]

  /// Samples of two to twelve layers.
  private func forEachSample(
    _ variant: String, _ body: (LanguageModelDescription, SampledModel, [Int: [TensorDescription]]) throws -> Void
  ) throws {
    for layers in [3, 5, 16, 22, 24, 32] {
      let model = try Fixture.model(variant, layers: layers)
      let byLayer = Dictionary(grouping: model.inventory.tensors.filter { $0.layer >= 0 }) { Int($0.layer) }
      let average = byLayer.values.joined().reduce(0) { $0 + $1.bytes.magnitude } / Double(layers)
      for count in 2..<min(layers, 13) {
        let sample = SampledModel(model, coldBytes: ByteCount(magnitude: average * (Double(count) - 0.5)))
        try body(model, #require(sample), byLayer)
      }
    }
  }

  @Test(arguments: variants) func `the scale times the sampled layers' bytes is all layers' bytes`(
    _ variant: String
  ) throws {
    try forEachSample(variant) { model, sample, _ in
      func bytes(_ inventory: TensorInventory, below end: Int = .max) -> Double {
        inventory.tensors.reduce(0) { $0 + ($1.layer >= 0 && Int($1.layer) < end ? $1.bytes.magnitude : 0) }
      }
      let whole = bytes(model.inventory)
      #expect(abs(sample.scale * bytes(sample.inventory) / whole - 1) < 1e-12)
      #expect(abs(sample.promptScale * bytes(sample.inventory, below: sample.promptLayers) / whole - 1) < 1e-12)
    }
  }

  @Test(arguments: variants) func `the sampled layers are numbered from 0 without gaps, and all else is there`(
    _ variant: String
  ) throws {
    try forEachSample(variant) { model, sample, byLayer in
      let layers = Dictionary(grouping: sample.inventory.tensors.filter { $0.layer >= 0 }) { Int($0.layer) }
      #expect(layers.keys.sorted() == Array(0..<sample.layerCount))
      #expect(sample.architecture.layers.count == sample.layerCount)
      #expect(layers.values.allSatisfy { $0.count == byLayer[0]?.count })
      #expect(sample.inventory.tensors.filter { $0.layer < 0 } == model.inventory.tensors.filter { $0.layer < 0 })
    }
  }

  @Test(arguments: variants) func `every format of a mixture keeps its share of the layers within one layer`(
    _ variant: String
  ) throws {
    try forEachSample(variant) { model, sample, byLayer in
      for role in Set(byLayer[0]?.map(\.role) ?? []) {
        func count(_ inventory: TensorInventory) -> [StorageFormat: Int] {
          inventory.tensors.reduce(into: [:]) { $0[$1.format, default: 0] += $1.role == role ? 1 : 0 }
        }
        let (whole, part) = (count(model.inventory), count(sample.inventory))
        for (format, number) in whole {
          let fair = Double(number * sample.layerCount) / Double(model.architecture.layers.count)
          let difference = abs(Double(part[format] ?? 0) - fair)
          #expect(
            difference <= 1 + 1e-9,
            "\(variant), \(role) in \(format.name), \(sample.layerCount) of \(model.architecture.layers.count) layers")
        }
      }
    }
  }

  @Test func `the two layers that stand for a prompt are one of each kind where a mixture has half of each`() throws {
    let model = try Fixture.model("q4_k_m", layers: 32)
    for count in 2..<32 {
      let average = model.inventory.tensors.reduce(0) { $0 + ($1.layer >= 0 ? $1.bytes.magnitude / 32 : 0) }
      let sample = try #require(
        SampledModel(model, coldBytes: ByteCount(magnitude: average * (Double(count) - 0.5))))
      let formats = sample.inventory.tensors.filter { $0.role == .feedForwardDown && $0.layer < 2 }.map(\.format.name)
      #expect(formats.sorted() == ["q4_k", "q6_k"], "\(count) layers")
    }
  }

  @Test func `a model whose layers are not more than a sample is not cut`() throws {
    let model = try Fixture.model("q8_0", layers: 8)
    #expect(SampledModel(model, coldBytes: .gibibytes(4)) == nil)
    #expect(SampledModel(try Fixture.model("q8_0", layers: 2), coldBytes: .zero) == nil)
    #expect(SampledModel(model, coldBytes: .zero)?.layerCount == 2)
  }

  @Test func `the digest changes with any tensor's format, shape or place, and with nothing else`() throws {
    let inventory = try Fixture.model("q4_k_m").inventory
    var digests: Set<String> = [inventory.digest]
    var changes = 1
    for index in inventory.tensors.indices {
      for change in [
        { (tensor: inout TensorDescription) in tensor.format = .block(.q5_1) },
        { $0.rows += 1 }, { $0.columns += 256 }, { $0.layer += 1 }, { $0.copies += 1 },
      ] as [(inout TensorDescription) -> Void] {
        var other = inventory
        change(&other.tensors[index])
        digests.insert(other.digest)
        changes += 1
      }
    }
    #expect(digests.count == changes)
    #expect(digests.allSatisfy { $0.count == 16 })
    var named = inventory
    named.fileNames = inventory.tensors.indices.map { "tensor \($0)" }
    #expect(named.digest == inventory.digest)
  }
}
