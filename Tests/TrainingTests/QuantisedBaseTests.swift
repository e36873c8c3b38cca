// SPDX-License-Identifier: Apache-2.0
import Inference
import LanguageModel
import ModelFiles
import Testing

@testable import Training

/// Adapters beside a base that stays in its blocks (QLoRA).
@Suite struct QuantisedBaseTests {
  /// The trained model with all matrices whose rows are whole blocks in q4_0, and the same numbers in 32 bits.
  private func write(quantised: String, decoded: String) throws {
    let source = try GGUFFile(path: Story.path)
    let blocks = try #require(BlockCodec(.q4_0))
    func isQuantised(_ tensor: GGUFTensor) -> Bool { tensor.dimensions.count == 2 && tensor.dimensions[0] % 32 == 0 }
    func encoded(_ index: Int) -> [UInt8] {
      let values = source.bytes(ofTensor: index).bindMemory(to: Float.self)
      var bytes = [UInt8](repeating: 0, count: blocks.byteCount(of: values.count))
      bytes.withUnsafeMutableBytes { out in
        if let address = out.baseAddress { blocks.encode(values, weights: nil, into: address) }
      }
      return bytes
    }
    for (path, decodes) in [(quantised, false), (decoded, true)] {
      var writer = GGUFWriter()
      for key in source.header.metadata.keys where key != "general.alignment" {
        if let value = source.header.metadata[key] { writer.set(key, value) }
      }
      for tensor in source.header.tensors {
        writer.add(
          tensor: tensor.name, dimensions: tensor.dimensions, format: isQuantised(tensor) && !decodes ? .q4_0 : .f32)
      }
      try writer.write(to: path) { index, sink in
        guard isQuantised(source.header.tensors[index]) else { return try sink(source.bytes(ofTensor: index)) }
        let bytes = encoded(index)
        guard decodes else { return try bytes.withUnsafeBytes { try sink($0) } }
        var values = [Float](repeating: 0, count: source.header.tensors[index].elementCount)
        bytes.withUnsafeBytes { raw in
          values.withUnsafeMutableBufferPointer { out in
            if let address = raw.baseAddress { blocks.decode(address, into: out) }
          }
        }
        try values.withUnsafeBytes { try sink($0) }
      }
    }
  }

  private func train(_ path: String, to output: String, merges: Bool) throws -> TrainingRecord {
    let request = TrainingRequest(
      source: try ModelFile.open(path), output: output, text: TrainingText(name: "a story", tokens: try Story.tokens()),
      adaptation: .lora(LoRASettings(rank: 4)), merges: merges,
      settings: TrainingSettings(steps: 12, rate: 5e-3, batch: 1, context: 24))
    return try withPool { try Trainer(toolVersion: "test", pool: $0).train(request) }
  }

  @Test func `a quantised base trains the same adapter as its decoded numbers, and stays in its blocks`() throws {
    try withPath { path in
      let (quantised, decoded) = (path + ".q4_0", path + ".f32")
      try write(quantised: quantised, decoded: decoded)
      let record = try train(quantised, to: path, merges: false)
      let twin = try train(decoded, to: path + ".twin.gguf", merges: false)
      #expect(record.lastLoss.total < record.firstLoss.total)
      #expect(record.lastLoss == twin.lastLoss && record.firstLoss == twin.firstLoss)
      let (own, other) = (try GGUFFile(path: path), try GGUFFile(path: path + ".twin.gguf"))
      for index in own.header.tensors.indices {
        #expect(own.bytes(ofTensor: index).elementsEqual(other.bytes(ofTensor: index)))
      }
    }
  }

  @Test func `merging keeps the blocks of what had no adapter, and half precision of the others`() throws {
    try withPath { path in
      try write(quantised: path + ".q4_0", decoded: path + ".f32")
      _ = try train(path + ".q4_0", to: path, merges: true)
      for tensor in try GGUFFile(path: path).header.tensors {
        let expected: BlockFormat =
          tensor.dimensions.count == 1 || tensor.name.contains("ffn_down")
          ? .f32 : tensor.name.contains("blk.") ? .f16 : .q4_0
        #expect(tensor.format == expected, "\(tensor.name)")
      }
    }
  }

  @Test
  func `a base rounded to NF4 is the nearest level of each block's largest magnitude, and adapters learn beside it`()
    throws
  {
    let start = try TrainingStart(Story.file(), .file)
    let key = ParameterKey(.attentionOutput, layer: 2)
    let lora = LoRASettings(rank: 2, base: .nf4)
    let (plain, rounded) = (start.stored(key, .frozen), start.stored(key, .lora(lora)))
    var (a, b) = ([Float](repeating: 0, count: 64 * 64), [Float](repeating: 0, count: 64 * 64))
    a.withUnsafeMutableBufferPointer { $0.baseAddress.map { plain?.decode(rows: 0..<64, into: $0) } }
    b.withUnsafeMutableBufferPointer { $0.baseAddress.map { rounded?.decode(rows: 0..<64, into: $0) } }
    for row in 0..<64 {
      let scale = Float(Float16(a[row * 64..<row * 64 + 64].map(abs).max() ?? 0))
      for index in row * 64..<row * 64 + 64 {
        let nearest = FourBitLevels.normal.map { abs(scale * $0 - a[index]) }.min() ?? 0
        #expect(abs(abs(b[index] - a[index]) - nearest) < 1e-6 * scale)
      }
    }
    try withPath { path in
      let request = TrainingRequest(
        source: try Story.file(), output: path, text: TrainingText(name: "a story", tokens: try Story.tokens()),
        adaptation: .lora(lora), settings: TrainingSettings(steps: 12, rate: 5e-3, batch: 1, context: 24))
      let record = try withPool { try Trainer(toolVersion: "test", pool: $0).train(request) }
      #expect(record.variant == "nf4+lora-2")
      #expect(record.lastLoss.total < record.firstLoss.total)
    }
  }
}
