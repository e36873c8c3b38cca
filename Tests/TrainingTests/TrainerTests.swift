// SPDX-License-Identifier: Apache-2.0
import CostModel
import Foundation
import Inference
import LanguageModel
import ModelFiles
import Synchronization
import Testing

@testable import Training

@Suite struct TrainerTests {
  private func request(
    to output: String, steps: Int = 4, start: TrainingRequest.Start = .file, _ adaptation: Adaptation = .allWeights,
    merges: Bool = false, batch: Int = 1, rate: Double = 1e-3
  ) throws -> TrainingRequest {
    TrainingRequest(
      source: try Story.file(), output: output, text: TrainingText(name: "a story", tokens: try Story.tokens()),
      start: start, adaptation: adaptation, merges: merges,
      settings: TrainingSettings(steps: steps, rate: rate, batch: batch, context: 24))
  }

  private func train(
    _ request: TrainingRequest, threads: Int = 2, isCancelled: @escaping @Sendable () -> Bool = { false }
  ) throws -> TrainingRecord {
    try withPool(threads) { pool in
      try Trainer(toolVersion: "test", pool: pool, isCancelled: isCancelled).train(request)
    }
  }

  private func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

  /// The logits of the runtime after each token.
  private func runtimeLogits(_ file: ModelFile, _ tokens: [Int32]) throws -> [[Float]] {
    try withPool { pool in
      let session = try InferenceSession(
        architecture: file.description.architecture, weights: try #require(file.weights),
        workload: Workload(contextTokens: tokens.count, keyValueFormat: .f32), kernels: .best, pool: pool)
      var all: [[Float]] = []
      try session.forEachLogits(of: tokens) { _, logits in all.append(Array(logits)) }
      return all
    }
  }

  private func distance(_ a: [[Float]], _ b: [[Float]]) -> Double {
    let pairs = zip(a.joined(), b.joined())
    let error = pairs.reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
    return (error / b.joined().reduce(0.0) { $0 + Double($1) * Double($1) }).squareRoot()
  }

  @Test func `the trainer's forward pass is the runtime's`() throws {
    let (file, tokens) = (try Story.file(), try Array(Story.tokens().prefix(40)))
    let own = try withPool { pool in
      let start = try TrainingStart(file, .file)
      let network = try Network<Float>(
        start.shape, .frozen, weights: start.initial(.frozen, seed: 0), contextTokens: 40, pool: pool)
      return WindowPass(network).logits(of: tokens[...])
    }
    // Sums of at most 172 terms in another order, five layers deep.
    #expect(try distance(own, runtimeLogits(file, tokens)) < 1e-5)
  }

  @Test func `training learns a text, and the runtime runs what it wrote`() throws {
    try withPath { path in
      let record = try train(request(to: path, steps: 30, batch: 2))
      #expect(record.lastLoss.total < 0.7 * record.firstLoss.total)
      let made = try ModelFile.open(path)
      #expect(made.description.inventory.tensors.count == (try Story.file()).description.inventory.tensors.count)
      #expect(made.metadata?.string(Provenance.trainingKey) == record.summary)
      let tokens = try Array(Story.tokens().prefix(25))
      let logits = try runtimeLogits(made, tokens)
      let loss = zip(logits, tokens.dropFirst()).map { row, next in
        log(row.reduce(0.0) { $0 + exp(Double($1)) }) - Double(row[Int(next)])
      }
      #expect(loss.reduce(0, +) / Double(loss.count) < record.firstLoss.total)
      #expect(!FileManager.default.fileExists(atPath: path + ".training"))
    }
  }

  @Test func `the number of threads changes no bit`() throws {
    try withPath { path in
      let files = try [1, 3].map { threads in
        _ = try train(request(to: path, steps: 2), threads: threads)
        return try bytes(path)
      }
      #expect(files[0] == files[1])
    }
  }

  @Test(arguments: [Adaptation.allWeights, .lora(LoRASettings(rank: 2))])
  func `a training that is interrupted and resumed ends in the same bits`(_ adaptation: Adaptation) throws {
    try withPath { path in
      var request = try request(to: path, steps: 4, adaptation, batch: 2)
      _ = try train(request)
      let whole = try bytes(path)
      try FileManager.default.removeItem(atPath: path)
      let questions = Atomic<Int>(0)
      let stops = { @Sendable in questions.add(1, ordering: .relaxed).newValue > 2 }
      #expect(throws: TrainingError.interrupted(step: 2, checkpoint: path + ".training")) {
        try train(request, isCancelled: stops)
      }
      #expect(!FileManager.default.fileExists(atPath: path))
      request.resumes = true
      var other = request
      other.settings.rate = 2e-3
      let state = try #require(throws: TrainingError.self) { try train(other) }
      #expect(state.kind == "checkpoint_differs")
      let record = try train(request)
      #expect(record.steps == 4 && record.tokens == 4 * 2 * 24)
      #expect(try bytes(path) == whole)
      #expect(throws: TrainingError.noCheckpoint(path: path + ".training")) { try train(request) }
    }
  }

  @Test func `a merged adapter is the weights and the factors' product`() throws {
    try withPath { path in
      let lora = LoRASettings(rank: 3, alpha: 6, targets: [.attentionQuery, .feedForwardDown])
      _ = try train(request(to: path, .lora(lora)))
      let adapter = try GGUFFile(path: path)
      #expect(adapter.header.metadata.string("adapter.type") == "lora")
      #expect(adapter.header.metadata.number("adapter.lora.alpha") == 6)
      #expect(adapter.header.tensors.count == 2 * 2 * 5)
      _ = try train(request(to: path + ".whole", .lora(lora), merges: true))
      let (base, merged) = (try GGUFFile(path: Story.path), try GGUFFile(path: path + ".whole"))
      func floats(_ file: GGUFFile, _ name: String) throws -> [Float] {
        let index = try #require(file.index(ofTensorNamed: name))
        return Array(file.bytes(ofTensor: index).bindMemory(to: Float.self))
      }
      for tensor in base.header.tensors {
        let (old, new) = (try floats(base, tensor.name), try floats(merged, tensor.name))
        guard tensor.name.contains("attn_q") || tensor.name.contains("ffn_down") else {
          #expect(old == new, "\(tensor.name)")
          continue
        }
        let a = try floats(adapter, tensor.name + ".lora_a")
        let b = try floats(adapter, tensor.name + ".lora_b")
        let columns = tensor.dimensions[0]
        for index in stride(from: 0, to: old.count, by: 97) {
          let (row, column) = (index / columns, index % columns)
          let product = (0..<3).reduce(0.0) { $0 + Double(b[row * 3 + $1]) * Double(a[$1 * columns + column]) }
          #expect(abs(Double(new[index]) - Double(old[index]) - 2 * product) < 1e-6)
        }
        #expect(old != new)
      }
    }
  }

  @Test func `layers that are kept are those of the file, in the order given`() throws {
    try withPath { path in
      let lora = Adaptation.lora(LoRASettings(rank: 1, targets: [.attentionValue]))
      let record = try train(request(to: path, steps: 1, start: .layers([0, 3]), lora, merges: true))
      #expect(record.variant == "depth-3+lora-1-merged")
      let made = try ModelFile.open(path)
      #expect(made.description.architecture.layers.count == 2)
      let (old, new) = (try GGUFFile(path: Story.path), try GGUFFile(path: path))
      for (layer, origin) in [0, 3].enumerated() {
        let from = try #require(old.index(ofTensorNamed: "blk.\(origin).ffn_up.weight"))
        let to = try #require(new.index(ofTensorNamed: "blk.\(layer).ffn_up.weight"))
        #expect(old.bytes(ofTensor: from).elementsEqual(new.bytes(ofTensor: to)))
      }
      _ = try runtimeLogits(made, [1, 2, 3])
    }
  }

  @Test func `a student of another shape follows its teacher and runs`() throws {
    try withPath { path in
      var request = try request(
        to: path, steps: 40, start: .student(StudentShape(layers: 1, width: 32, inner: 48)), batch: 2, rate: 1e-2)
      request.teacher = try Story.file()
      request.loss = TokenLoss(teacherShare: 1, temperature: 2)
      let record = try train(request)
      #expect(record.lastLoss.total < 0.8 * record.firstLoss.total)
      let made = try ModelFile.open(path)
      #expect(made.description.architecture.hiddenSize == 32)
      #expect(made.description.architecture.layers.count == 1)
      _ = try runtimeLogits(made, [1, 2, 3])
    }
  }

  @Test func `what cannot be trained is refused before a file is made`() throws {
    try withPath { path in
      var long = try request(to: path)
      long.settings.context = 4096
      #expect(throws: TrainingError.textTooShort(tokens: long.text.tokens.count, needed: 4097)) { try train(long) }
      #expect(throws: TrainingError.badLayers("1,5", count: 5)) {
        try train(request(to: path, start: .layers([1, 5])))
      }
      #expect(throws: TrainingError.sameFile(path: Story.path)) { try train(request(to: Story.path)) }
      let lora = Adaptation.lora(LoRASettings(rank: 0))
      #expect(try #require(throws: TrainingError.self) { try train(request(to: path, lora)) }.kind == "setting_invalid")
      let odd = TrainingRequest.Start.student(StudentShape(layers: 1, width: 33))
      let refusal = try #require(throws: TrainingError.self) { try train(request(to: path, start: odd)) }
      #expect(refusal.message.contains("--student-width 33"))
      var fast = try request(to: path, steps: 9)
      fast.settings.rate = 1e30
      fast.settings.warmupSteps = 0
      #expect(try #require(throws: TrainingError.self) { try train(fast) }.kind == "training_diverged")
      #expect(!FileManager.default.fileExists(atPath: path))
    }
  }
}
