// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import Evidence
import Foundation
import Inference
import JSONText
import LanguageModel
import ModelFiles
import Runner
import Training
import Testing

/// Makes variants of the small trained model, or of a change of it.
enum Making {
  static func make(
    _ variant: String, to output: String, source: String? = nil, calibrated: Bool = true,
    pruning: PruningChoice = PruningChoice(), nearest: Bool = false, tokens: [Int32]? = nil,
    isCancelled: @escaping @Sendable () -> Bool = { false }, change: (inout CompressionRequest) -> Void = { _ in }
  ) throws -> ModelFile {
    let pool = try ThreadPool(count: 2)
    defer { pool.stop() }
    let text = CalibrationText(name: "a story", tokens: try tokens ?? Self.tokens(), window: 64)
    let file = try source.map { try ModelFile.open($0) } ?? Story.file()
    var request = CompressionRequest(
      source: file, variant: try CompressionVariant(parsing: variant), output: output,
      calibration: calibrated ? text : nil, pruning: pruning, roundsToNearest: nearest)
    change(&request)
    _ = try Compressor(toolVersion: "test", pool: pool, isCancelled: isCancelled).compress(request)
    return try ModelFile.open(output)
  }

  /// The model's own story, which its weights are good at.
  static func tokens() throws -> [Int32] {
    let text = try #require(Story.expected()["greedy_text"]?.stringValue)
    return try Story.model().tokenizer.encode(text)
  }

  /// The trained model with some of its numbers changed.
  static func changed(to path: String, _ change: (String, Int, inout [Float]) -> Void) throws {
    let source = try GGUFFile(path: Story.path())
    var writer = GGUFWriter()
    for key in source.header.metadata.keys where key != "general.alignment" {
      if let value = source.header.metadata[key] { writer.set(key, value) }
    }
    for tensor in source.header.tensors {
      writer.add(tensor: tensor.name, dimensions: tensor.dimensions, format: .f32)
    }
    let bytes = writer.bytes { index in
      let tensor = source.header.tensors[index]
      var values = Array(source.bytes(ofTensor: index).bindMemory(to: Float.self))
      change(tensor.name, tensor.dimensions[0], &values)
      return values.withUnsafeBytes { Array($0) }
    }
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  }

  static func values(_ file: ModelFile, _ name: String) throws -> [Float] {
    let weights = try #require(file.weights)
    let index = try #require(weights.index(ofTensorNamed: name))
    return Array(weights.bytes(ofTensor: index).bindMemory(to: Float.self))
  }

  /// Mean divergence of one file's model from another's.
  static func divergence(of path: String, from reference: String) throws -> Double {
    func model(_ path: String) throws -> EvaluatedModel {
      let file = try ModelFile.open(path)
      return EvaluatedModel(
        description: file.description, weights: try #require(file.weights), tokenizer: try Story.model().tokenizer,
        variant: "made")
    }
    let text = try #require(Story.expected()["greedy_text"]?.stringValue)
    let request = EvaluationRequest(text: text, contextTokens: 128, strideTokens: 64, keyValueFormat: .f32, threads: 2)
    let evaluator = Evaluator(machine: try Fixture.machine(), toolVersion: "test")
    let result = try evaluator.evaluate(model(path), reference: model(reference), request)
    return try #require(result.divergence?.mean).value
  }
}

@Suite struct PruningTests {
  /// A layer that adds nothing to the stream.
  private func withIdleLayer(_ layer: Int, to path: String) throws {
    try Making.changed(to: path) { name, _, values in
      if ["attn_output", "ffn_down"].contains(where: { name == "blk.\(layer).\($0).weight" }) {
        values = [Float](repeating: 0, count: values.count)
      }
    }
  }

  @Test(arguments: [DepthCriterion.angle, .influence])
  func `a layer that does nothing is the one that goes, and nothing changes without it`(
    criterion: DepthCriterion
  ) throws {
    try TemporaryFile.with { path in
      let source = path + ".idle"
      try withIdleLayer(2, to: source)
      let made = try Making.make("depth-1", to: path, source: source, pruning: PruningChoice(depth: criterion))
      #expect(made.description.architecture.layers.count == 4)
      #expect(made.metadata?[Provenance.stepsKey]?.stringValue?.hasPrefix("layers 2 of 5 removed") == true)
      #expect(try Making.divergence(of: path, from: source) < 1e-10)
      let old = try ModelFile.open(source)
      #expect(try Making.values(made, "blk.2.ffn_up.weight") == Making.values(old, "blk.3.ffn_up.weight"))
    }
  }

  @Test func `without a text the layers before the last one go, and other layers are copied as they are`() throws {
    try TemporaryFile.with { path in
      let made = try Making.make("depth-2", to: path, calibrated: false)
      let old = try Story.file()
      let expected = try CompressionVariant(parsing: "depth-2").applied(to: old.description)
      #expect(made.description.architecture.layers == expected.architecture.layers)
      #expect(made.description.inventory.bytes == expected.inventory.bytes)
      for (new, layer) in [0, 1, 4].enumerated() {
        #expect(try Making.values(made, "blk.\(new).attn_q.weight") == Making.values(old, "blk.\(layer).attn_q.weight"))
      }
    }
  }

  /// Key and value head 1 and every fourth channel of layer 2 neither read nor write.
  private func withIdleStructures(to path: String) throws {
    try Making.changed(to: path) { name, columns, values in
      func clear(rows: (Int) -> Bool) {
        for index in values.indices where rows(index / columns) { values[index] = 0 }
      }
      func clear(columns isIdle: (Int) -> Bool) {
        for index in values.indices where isIdle(index % columns) { values[index] = 0 }
      }
      switch name {
      case "blk.2.attn_q.weight": clear(rows: { $0 / 16 == 1 })
      case "blk.2.attn_k.weight", "blk.2.attn_v.weight": clear(rows: { $0 / 8 == 1 })
      case "blk.2.attn_output.weight": clear(columns: { $0 / 16 == 1 })
      case "blk.2.ffn_gate.weight", "blk.2.ffn_up.weight": clear(rows: { $0 % 4 == 1 })
      case "blk.2.ffn_down.weight": clear(columns: { $0 % 4 == 1 })
      default: break
      }
    }
  }

  @Test(arguments: [WidthCriterion.magnitudeL1, .magnitudeL2])
  func `heads and channels that do nothing are those that go, and nothing changes without them`(
    criterion: WidthCriterion
  ) throws {
    try TemporaryFile.with { path in
      let source = path + ".idle"
      try withIdleStructures(to: source)
      let pruning = PruningChoice(width: criterion, layers: 2..<3)
      let made = try Making.make("width-0.25", to: path, source: source, pruning: pruning)
      let layer = made.description.architecture.layers[2]
      guard case .attention(let attention) = layer.mixers[0] else { return #expect(Bool(false)) }
      #expect((attention.heads, attention.keyValueHeads) == (6, 3))
      #expect(layer.feedForward?.width == 129)
      let whole = try Story.file().description.architecture.layers[1]
      #expect(made.description.architecture.layers[1] == whole)
      // An architecture of llama.cpp's whose layers may differ.
      #expect(made.metadata?["general.architecture"]?.stringValue == "deci")
      #expect(try Making.divergence(of: path, from: source) < 1e-10)
    }
  }

  @Test func `heads and channels with the least product of weight and gradient go, and they are not the smallest ones`()
    throws
  {
    let pool = try ThreadPool(count: 2)
    defer { pool.stop() }
    let importance = try StructureImportance.gather(
      Story.file(), tokens: Making.tokens(), windows: 2, context: 32, pool: pool)
    let scores = importance.layers.map { StructureScores(heads: $0.groups, channels: $0.neurons) }
    try TemporaryFile.with { path in
      let made = try Making.make(
        "width-0.25", to: path, pruning: PruningChoice(width: .taylor, layers: 1..<4),
        change: { $0.structureScores = scores })
      let old = try Story.file()
      let name = "blk.2.ffn_gate.weight"
      let (before, after) = (try rows(old, name, of: 64), try rows(made, name, of: 64))
      let channels = scores[2].channels
      let best = channels.indices.sorted { (channels[$0], $1) > (channels[$1], $0) }.prefix(129).sorted()
      #expect(after == best.map { before[$0] })
      let heads = scores[2].heads
      let worst = try #require(heads.indices.min { heads[$0] < heads[$1] })
      let keys = try rows(old, "blk.2.attn_k.weight", of: 64)
      let kept = keys.indices.filter { $0 / 8 != worst }.map { keys[$0] }
      #expect(try rows(made, "blk.2.attn_k.weight", of: 64) == kept)
      let other = try Making.make("width-0.25", to: path + ".l2.gguf", pruning: PruningChoice(layers: 1..<4))
      #expect(try rows(other, name, of: 64) != after)
    }
  }

  private func rows(_ file: ModelFile, _ name: String, of columns: Int) throws -> [[Float]] {
    let values = try Making.values(file, name)
    return stride(from: 0, to: values.count, by: columns).map { Array(values[$0..<$0 + columns]) }
  }

  @Test func `gradients need a text`() throws {
    try TemporaryFile.with { path in
      #expect(throws: CompressorError.needsCalibration(variant: "width-0.25")) {
        try Making.make(
          "width-0.25", to: path, calibrated: false, pruning: PruningChoice(width: .taylor, layers: 1..<4))
      }
      #expect(!FileManager.default.fileExists(atPath: path))
    }
  }

  @Test func `equal layers keep their architecture, and chance is worse than magnitude`() throws {
    try TemporaryFile.with { path in
      var found: [WidthCriterion: Double] = [:]
      for criterion in [WidthCriterion.magnitudeL2, .random] {
        let made = try Making.make(
          "width-0.25", to: path, calibrated: false, pruning: PruningChoice(width: criterion, layers: 0..<5))
        #expect(made.metadata?["general.architecture"]?.stringValue == "llama")
        #expect(made.metadata?["llama.feed_forward_length"]?.intValue == 129)
        found[criterion] = try Story.divergence(of: path)
      }
      let (magnitude, chance) = (try #require(found[.magnitudeL2]), try #require(found[.random]))
      #expect(magnitude < chance)
    }
  }

  @Test func `the weights that go are those of least magnitude times input, as counted by hand`() throws {
    try TemporaryFile.with { path in
      let made = try Making.make("sparse-2:4", to: path, pruning: PruningChoice(weights: .wanda))
      let source = try Story.model()
      let pool = try ThreadPool(count: 2)
      defer { pool.stop() }
      let session = try Story.session(source, context: 64, pool: pool)
      let squares = try Importance.gather(
        Making.tokens(), window: 64, session: session, inventory: source.description.inventory)
      let name = "blk.0.attn_q.weight"
      let index = try #require(source.weights.index(ofTensorNamed: name))
      let scale = try #require(squares.squares[index])
      let old = Array(source.weights.bytes(ofTensor: index).bindMemory(to: Float.self))
      let new = try decoded(made, name)
      for start in stride(from: 0, to: old.count, by: 4) {
        let ranked = (start..<start + 4).sorted { weight($0, old, scale) > weight($1, old, scale) }
        // Near ties may fall either way: the two sums of squares differ in their rounding.
        let isClear = weight(ranked[1], old, scale) > 1.0001 * weight(ranked[2], old, scale)
        let kept = (start..<start + 4).filter { new[$0] != 0 }
        #expect(kept.count <= 2)
        if isClear { #expect(Set(kept).isSubset(of: ranked.prefix(2))) }
        for place in kept { #expect(abs(new[place] - old[place]) <= abs(old[place]) / 2048) }
      }
    }
  }

  private func weight(_ index: Int, _ values: [Float], _ squares: [Float]) -> Float {
    abs(values[index]) * squares[index % squares.count].squareRoot()
  }

  private func decoded(_ file: ModelFile, _ name: String) throws -> [Float] {
    let weights = try #require(file.weights)
    let index = try #require(weights.index(ofTensorNamed: name))
    guard case .block(let format) = weights.inventory.tensors[index].format else { return [] }
    var values = [Float](repeating: 0, count: weights.inventory.tensors[index].elements)
    let codec = try #require(BlockCodec(format))
    let address = try #require(weights.bytes(ofTensor: index).baseAddress)
    values.withUnsafeMutableBufferPointer { codec.decode(address, into: $0) }
    return values
  }

  @Test func `half of each row goes by magnitude, and the larger half stays`() throws {
    try TemporaryFile.with { path in
      let made = try Making.make("sparse-0.5", to: path, calibrated: false)
      let name = "blk.1.ffn_down.weight"
      let old = try Making.values(Story.file(), name)
      let new = try decoded(made, name)
      for start in stride(from: 0, to: old.count, by: 172) {
        let kept = (start..<start + 172).filter { new[$0] != 0 }
        #expect(kept.count == 86)
        let least = kept.map { abs(old[$0]) }.min() ?? 0
        let most = (start..<start + 172).filter { new[$0] == 0 }.map { abs(old[$0]) }.max() ?? 0
        #expect(least >= most)
      }
    }
  }

  @Test(arguments: ["sparse-2:4", "sparse-0.5"])
  func `weights that make up for those that go leave the model closer than those that only stay`(
    variant: String
  ) throws {
    try TemporaryFile.with { path in
      var found: [SparsityCriterion: Double] = [:]
      for criterion in SparsityCriterion.allCases {
        let made = try Making.make(variant, to: path, pruning: PruningChoice(weights: criterion))
        let columns = 172
        let new = try decoded(made, "blk.1.ffn_down.weight")
        for row in stride(from: 0, to: new.count, by: columns) {
          #expect(new[row..<row + columns].count { $0 != 0 } <= columns / 2)
        }
        found[criterion] = try Story.divergence(of: path)
      }
      let ranked = SparsityCriterion.allCases.sorted { (found[$0] ?? .infinity) < (found[$1] ?? .infinity) }
      #expect(ranked == [.sparseGPT, .wanda, .magnitude], "\(found)")
    }
  }

  @Test func `plain factors are nearest to the matrix, whitened ones to what it gives for the text`() throws {
    try TemporaryFile.with { path in
      let name = "blk.0.ffn_up.weight"
      let old = try Making.values(Story.file(), name)
      var misses: [[Float]] = []
      for calibrated in [false, true] {
        let made = try Making.make("svd-0.5", to: path, calibrated: calibrated)
        let (outer, inner) = (try Making.values(made, name + ".factor_b"), try Making.values(made, name + ".factor_a"))
        let rank = inner.count / 64
        // At most half of the weights: rank · (172 + 64) ≤ 172 · 64 / 2.
        #expect(rank <= 23 && rank * 172 == outer.count)
        misses.append(
          old.indices.map { index in
            var sum: Float = 0
            for place in 0..<rank { sum += outer[index / 64 * rank + place] * inner[place * 64 + index % 64] }
            return old[index] - sum
          })
        // The factors run in the matrix's place.
        #expect(try Story.divergence(of: path).isFinite)
      }
      let squares = misses.map { $0.reduce(0) { $0 + $1 * $1 } }
      #expect(squares[0] < squares[1])
    }
  }

  @Test func `a step that only training gives is refused`() throws {
    try TemporaryFile.with { path in
      #expect(throws: CompressorError.needsTraining(step: "lora-16")) { try Making.make("lora-16", to: path) }
      #expect(!FileManager.default.fileExists(atPath: path))
    }
  }
}

@Suite struct GroupRoundingTests {
  @Test func `methods that look at the text are at least as close as rounding to the nearest`() throws {
    try TemporaryFile.with { path in
      _ = try Making.make("awq4-g32", to: path, calibrated: false, nearest: true)
      let nearest = try Story.divergence(of: path)
      for variant in ["awq4-g32", "gptq4-g32"] {
        let made = try Making.make(variant, to: path)
        #expect(made.description.inventory.tensors.contains { $0.format == .block(.q4_1) })
        #expect(try Story.divergence(of: path) <= nearest, "\(variant)")
      }
    }
  }

  @Test func `scales and ranges found in one part of a text are as good in the rest of it`() throws {
    let tokens = try Making.tokens()
    try TemporaryFile.with { path in
      _ = try Making.make("awq4-g32", to: path, calibrated: false, nearest: true)
      let nearest = try Story.divergence(of: path)
      for part in [tokens.prefix(tokens.count / 2), tokens.suffix(tokens.count / 2)] {
        _ = try Making.make("awq4-g32", to: path, tokens: Array(part))
        #expect(try Story.divergence(of: path) <= nearest)
      }
    }
  }

  @Test func `a GGUF file holds the same scale in all blocks of a group`() throws {
    try TemporaryFile.with { path in
      let source = path + ".wide"
      try WideStory().write(to: source)
      let made = try Making.make("gptq4-g128", to: path, source: source, calibrated: false, nearest: true)
      let weights = try #require(made.weights)
      let index = try #require(weights.index(ofTensorNamed: "blk.1.attn_q.weight"))
      let bytes = weights.bytes(ofTensor: index)
      for group in 0..<bytes.count / 80 {
        for block in 1..<4 {
          #expect(
            bytes[group * 80..<group * 80 + 4].elementsEqual(
              bytes[group * 80 + block * 20..<group * 80 + block * 20 + 4]))
        }
      }
    }
  }

  @Test func `GGUF is refused for what it has no type for`() throws {
    try TemporaryFile.with { path in
      #expect(throws: CompressorError.notGGUF(variant: "gptq4-g128-act")) {
        try Making.make("gptq4-g128-act", to: path)
      }
      #expect(throws: CompressorError.needsCalibration(variant: "awq4-g64")) {
        try Making.make("awq4-g64", to: path, calibrated: false)
      }
    }
  }

  @Test(arguments: [1, 4, 9, 20]) func `an interruption in any step leaves nothing behind`(patience: Int) throws {
    try TemporaryFile.with { path in
      let stop = Stop(after: patience)
      #expect(throws: CompressorError.interrupted(path: path)) {
        try Making.make("depth-1+gptq4-g32", to: path, isCancelled: { stop.isAsked })
      }
      let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
      let left = try FileManager.default.contentsOfDirectory(atPath: folder)
      #expect(left.isEmpty)
    }
  }
}
