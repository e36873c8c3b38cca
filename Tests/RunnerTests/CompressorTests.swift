// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import Evidence
import Foundation
import Inference
import JSONText
import LanguageModel
import ModelFiles
import Quantities
import Runner
import Testing

@Suite struct CompressorTests {
  /// The small trained model: rows of 64 and 172, so that blocks of 256 fall back.
  private func compress(
    _ variant: String, to output: String, source: ModelFile? = nil,
    isCancelled: @escaping @Sendable () -> Bool = { false }
  ) throws -> CompressionRecord {
    let pool = try ThreadPool(count: 2)
    defer { pool.stop() }
    let compressor = Compressor(toolVersion: "test", pool: pool, isCancelled: isCancelled)
    return try compressor.compress(
      CompressionRequest(
        source: try source ?? Story.file(), variant: try CompressionVariant(parsing: variant), output: output))
  }

  @Test(arguments: ["f16", "bf16", "q8_0", "q4_0", "q5_1", "q4_k_m", "iq4_nl", "original"])
  func `the result has the variant's formats, the source's metadata and names, and says where it comes from`(
    variant: String
  ) throws {
    try TemporaryFile.with { path in
      let record = try compress(variant, to: path)
      let source = try Story.file()
      let made = try ModelFile.open(path)
      let expected = try CompressionVariant(parsing: variant).applied(to: source.description)
      #expect(made.description.inventory.tensors == expected.inventory.tensors)
      #expect(made.description.inventory.fileNames == source.description.inventory.fileNames)
      let (old, new) = (try #require(source.metadata), try #require(made.metadata))
      for key in old.keys where !["general.file_type", "general.alignment"].contains(key) {
        #expect(new[key] == old[key] || key == "general.quantization_version", "\(key)")
      }
      #expect(new[Provenance.variantKey]?.stringValue == variant)
      #expect(new[Provenance.sourceKey]?.stringValue == "stories260K-f32.gguf")
      let size = try #require(FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
      #expect(record.bytes == ByteCount(size))
      #expect(record.bitsPerWeight == expected.inventory.bitsPerWeight)
      #expect(record.formats.reduce(0) { $0 + $1.tensors } == expected.inventory.tensors.count)
    }
  }

  @Test func `what keeps its format is copied byte for byte`() throws {
    try TemporaryFile.with { path in
      _ = try compress("original", to: path)
      let (made, source) = (try ModelFile.open(path), try Story.file())
      let (new, old) = (try #require(made.weights), try #require(source.weights))
      for index in old.inventory.tensors.indices {
        #expect(new.bytes(ofTensor: index).elementsEqual(old.bytes(ofTensor: index)))
      }
    }
  }

  @Test func `eight bits are close to the original, and four are farther`() throws {
    try TemporaryFile.with { path in
      let divergences = try ["q8_0", "q5_0", "q4_0"].map { variant in
        _ = try compress(variant, to: path)
        return try Story.divergence(of: path)
      }
      #expect(divergences[0] > 0)
      // A relative error of 0.5 % in every matrix of five layers.
      #expect(divergences[0] < 0.01)
      #expect(divergences[0] < divergences[1] && divergences[1] < divergences[2])
    }
  }

  @Test func `more bits are closer to the original, in every family of formats`() throws {
    try TemporaryFile.with { path in
      let source = path + ".wide"
      try WideStory().write(to: source)
      // The same function in other widths: float sums of 256 terms.
      #expect(try Story.divergence(of: source) < 1e-8)
      let families = [
        ["f16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q3_k_m", "q2_k"], ["q5_0", "q4_0"], ["q5_1", "q4_1"],
        ["q6_k", "iq4_xs", "iq3_s"],
      ]
      var found: [String: Double] = [:]
      for variant in Set(families.joined()) {
        let record = try compress(variant, to: path, source: ModelFile.open(source))
        #expect(record.formats.contains { $0.relativeError > 0 }, "\(variant)")
        found[variant] = try Story.divergence(of: path)
      }
      for family in families {
        let distances = try family.map { try #require(found[$0]) }
        #expect(distances == distances.sorted(), "\(family): \(distances)")
      }
    }
  }

  @Test func `the importance of a channel is the mean square of what flows through it`() throws {
    let model = try Story.model()
    let pool = try ThreadPool(count: 2)
    defer { pool.stop() }
    let session = try Story.session(model, context: 32, pool: pool)
    let tokens = model.tokenizer.encode("Once upon a time, there was a little girl named Lily.")
    let importance = try Importance.gather(tokens, window: 32, session: session, inventory: model.description.inventory)
    // Every matrix but the embedding, which no product reads.
    let tensors = model.description.inventory.tensors
    let matrices = tensors.indices.filter { !tensors[$0].isVector && tensors[$0].role != .tokenEmbedding }
    #expect(Set(importance.squares.keys) == Set(matrices))
    for index in matrices {
      #expect(importance.squares[index]?.count == Int(tensors[index].columns))
      #expect(importance.squares[index]?.allSatisfy { $0 >= 0 && $0.isFinite } == true)
    }
    // The first layer's queries read the normed embedding: Σ over the tokens by hand.
    let query = try #require(tensors.firstIndex { $0.role == .attentionQuery && $0.layer == 0 })
    let expected = try normedSquares(model, tokens)
    for (found, value) in zip(try #require(importance.squares[query]), expected) {
      #expect(abs(Double(found) - value) < 1e-4 * max(1, value))
    }
  }

  private func normedSquares(_ model: EvaluatedModel, _ tokens: [Int32]) throws -> [Double] {
    let inventory = model.description.inventory
    func floats(_ role: TensorRole, layer: Int16) throws -> [Float] {
      let index = try #require(inventory.tensors.firstIndex { $0.role == role && $0.layer == layer })
      return Array(model.weights.bytes(ofTensor: index).bindMemory(to: Float.self))
    }
    let (table, norm) = (try floats(.tokenEmbedding, layer: -1), try floats(.attentionNorm, layer: 0))
    let width = norm.count
    var sums = [Double](repeating: 0, count: width)
    for token in tokens {
      let row = table[Int(token) * width..<(Int(token) + 1) * width].map { Double($0) }
      let mean = row.reduce(0) { $0 + $1 * $1 } / Double(width)
      for column in 0..<width {
        let value = row[column] / (mean + model.description.architecture.forward.normEpsilon).squareRoot()
        sums[column] += value * value * Double(norm[column]) * Double(norm[column]) / Double(tokens.count)
      }
    }
    return sums
  }

  @Test func `what cannot be made is refused before a file is made`() throws {
    try TemporaryFile.with { path in
      #expect(throws: CompressorError.notGGUF(variant: "nf4")) { try compress("nf4", to: path) }
      #expect(throws: CompressorError.needsCalibration(variant: "iq2_xs")) { try compress("iq2_xs", to: path) }
      #expect(!FileManager.default.fileExists(atPath: path))
      let source = try Story.path()
      #expect(throws: CompressorError.sameFile(path: source)) { try compress("q8_0", to: source) }
      _ = try compress("q8_0", to: path)
      #expect {
        try compress("q4_0", to: path + ".q4.gguf", source: ModelFile.open(path))
      } throws: { error in
        guard case CompressorError.alreadyQuantised(_, _, "q8_0") = error else { return false }
        return true
      }
      #expect {
        try compress("q8_0", to: "/nonexistent/model.gguf")
      } throws: { error in
        guard case ModelFileError.unwritable(_, "create", ENOENT) = error else { return false }
        return true
      }
    }
  }

  @Test func `an interruption leaves neither a result nor a part of one`() throws {
    try TemporaryFile.with { path in
      let stop = Stop(after: 5)
      #expect(throws: CompressorError.interrupted(path: path)) {
        try compress("q4_0", to: path, isCancelled: { stop.isAsked })
      }
      let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
      let left = try FileManager.default.contentsOfDirectory(atPath: folder)
      #expect(left.isEmpty)
    }
  }

  @Test func `a weight that is no finite number is named`() throws {
    try TemporaryFile.with { path in
      let bytes = try FileManager.default.contents(atPath: Story.path())
      var damaged = try #require(bytes)
      let file = try GGUFFile(path: Story.path())
      let tensor = try #require(file.header.tensors.firstIndex { $0.name == "blk.2.ffn_up.weight" })
      let offset = file.header.dataOffset + file.header.tensors[tensor].offset + 4 * 1000
      withUnsafeBytes(of: Float.nan) { damaged.replaceSubrange(offset..<offset + 4, with: $0) }
      let source = path + ".damaged"
      try damaged.write(to: URL(fileURLWithPath: source))
      #expect(
        throws: CompressorError.notFinite(path: source, tensor: "blk.2.ffn_up.weight", element: 1000)
      ) { try compress("q8_0", to: path, source: ModelFile.open(source)) }
      #expect(!FileManager.default.fileExists(atPath: path))
    }
  }
}

enum TemporaryFile {
  /// A path in a new folder that is removed afterwards.
  static func with<Result>(_ body: (String) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("anprobe-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder.appendingPathComponent("made.gguf").path)
  }
}

extension Story {
  static func path() throws -> String { try model().weights.path }
  static func file() throws -> ModelFile { try ModelFile.open(path()) }

  /// The mean divergence of a file from the trained model over a story of its kind.
  static func divergence(of path: String) throws -> Double {
    let file = try ModelFile.open(path)
    let made = EvaluatedModel(
      description: file.description, weights: try #require(file.weights), tokenizer: try model().tokenizer,
      variant: "made")
    let text = try #require(expected()["greedy_text"]?.stringValue)
    let request = EvaluationRequest(text: text, contextTokens: 128, strideTokens: 64, keyValueFormat: .f32, threads: 2)
    let evaluator = Evaluator(machine: try Fixture.machine(), toolVersion: "test")
    let result = try evaluator.evaluate(made, reference: model(), request)
    return try #require(result.divergence?.mean).value
  }
}
