// SPDX-License-Identifier: Apache-2.0
import Foundation
import Inference
import LanguageModel
import ModelFiles
import TestSupport
import Testing

@testable import Training

/// Networks of a few hundred weights, and the trained one of 260,032 beside another target's tests.
enum Small {
  /// Two layers of unlike shapes, as width pruning leaves them.
  static func shape(isTied: Bool = false, pairing: RopeRules.Pairing = .neighbours) -> NetworkShape {
    NetworkShape(
      vocabulary: 11, hidden: 8,
      layers: [
        .init(heads: 4, groups: 2, headWidth: 4, inner: 12), .init(heads: 2, groups: 1, headWidth: 4, inner: 7),
      ], isTied: isTied, rope: RopeRules(pairing: pairing))
  }

  static let window: [Int32] = [3, 7, 1, 10, 0, 7, 5]

  /// A network whose numbers are all far from the values that random weights begin with.
  static func network<Number: TrainingNumber>(
    _ type: Number.Type, _ shape: NetworkShape, _ adaptation: Adaptation = .allWeights, seed: UInt64 = 5,
    pool: ThreadPool
  ) throws -> Network<Number> {
    let network = try Network<Number>(
      shape, adaptation, weights: frozen(shape, seed: seed, isNeeded: adaptation != .allWeights), contextTokens: 8,
      pool: pool)
    var random = SeededNumbers(seed: seed)
    for slot in network.parameters.slots {
      for index in slot.range {
        network.parameters[index] = Number((slot.key.role.isNorm ? 1 : 0) + 0.4 * random.normal())
      }
    }
    return network
  }

  private static func frozen(_ shape: NetworkShape, seed: UInt64, isNeeded: Bool) -> InitialWeights {
    let counts = Dictionary(uniqueKeysWithValues: shape.parameters.map { ($0.key, $0) })
    return InitialWeights(seed: seed) { key in
      guard isNeeded, let parameter = counts[key] else { return nil }
      var random = SeededNumbers(seed: seed &+ UInt64(key.role.rawValue) &* 64 &+ UInt64(key.layer + 1))
      let values = NumberBuffer<Float>(parameter.count)
      for index in 0..<parameter.count {
        values.address[index] = Float((key.role.isNorm ? 1 : 0) + 0.4 * random.normal())
      }
      return StoredMatrix(values, rows: parameter.rows, columns: parameter.columns)
    }
  }
}

enum Story {
  static let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("InferenceTests/Models/stories260K-f32.gguf").path

  static func file() throws -> ModelFile { try ModelFile.open(path) }

  static func tokens(_ text: String = story) throws -> [Int32] {
    try Tokenizer(try #require(file().metadata), path: path).encode(text)
  }

  static let story = """
    Once upon a time, there was a little dog named Max. Max liked to play in the park with his friend Lily. One day, \
    Max saw a big red ball under a tree. He wanted to play with the ball, but it was too high. Lily came and helped him.
    """
}

/// A pool that ends with the closure.
func withPool<Result>(_ count: Int = 2, _ body: (ThreadPool) throws -> Result) throws -> Result {
  let pool = try ThreadPool(count: count)
  defer { pool.stop() }
  return try body(pool)
}

/// A path in a new folder that is removed afterwards.
func withPath<Result>(_ body: (String) throws -> Result) throws -> Result {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("anprobe-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  return try body(folder.appendingPathComponent("made.gguf").path)
}
