// SPDX-License-Identifier: Apache-2.0
import LanguageModel
import Quantities
import TestSupport
import Testing

@testable import ModelFiles

/// Damages a file in one of the ways that files get damaged, or attacked.
struct Mutator {
  var random: SeededRandom

  mutating func mutate(_ original: [UInt8]) -> [UInt8] {
    var bytes = original
    for _ in 0..<Int.random(in: 1...3, using: &random) where !bytes.isEmpty {
      switch Int.random(in: 0..<6, using: &random) {
      case 0: bytes[place(bytes)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      case 1: bytes.removeLast(Int.random(in: 0...bytes.count, using: &random))
      case 2: bomb(&bytes)
      case 3: bytes.insert(contentsOf: range(bytes).map { bytes[$0] }, at: place(bytes))
      case 4: bytes.removeSubrange(range(bytes))
      default: bytes[place(bytes)] = [0, 1, 0x7F, 0x80, 0xFF, 0x22, 0x7D, 0x39].randomElement(using: &random) ?? 0
      }
    }
    return bytes
  }

  private mutating func place(_ bytes: [UInt8]) -> Int { Int.random(in: 0..<bytes.count, using: &random) }

  private mutating func range(_ bytes: [UInt8]) -> Range<Int> {
    let start = place(bytes)
    return start..<min(bytes.count, start + Int.random(in: 1...64, using: &random))
  }

  /// Overwrites eight bytes by a length that no file has.
  private mutating func bomb(_ bytes: inout [UInt8]) {
    let value: UInt64 = [.max, 1 << 63, 1 << 40, 1 << 32, 0xFFFF_FFFF, 1 << 20].randomElement(using: &random) ?? 0
    let start = place(bytes)
    for (offset, byte) in withUnsafeBytes(of: value.littleEndian, Array.init).enumerated()
    where start + offset < bytes.count {
      bytes[start + offset] = byte
    }
  }
}

@Suite struct `Hostile files` {
  /// A complaint that helps: it names the file, a place in it, and what to do.
  private func expectHelpful(_ error: any Error, file: String, seed: Int) {
    guard let error = error as? ModelFileError else {
      Issue.record("seed \(seed): \(error)")
      return
    }
    #expect(error.message.contains("'\(file)'"), "seed \(seed): \(error.message)")
    let namesPlace = ["at byte ", "at key '", "at tensor '", "key '", "under '"].contains { error.message.contains($0) }
    var isWhole = false
    if case .configuration = error { isWhole = true }
    #expect(namesPlace || isWhole, "seed \(seed): \(error.message)")
    #expect(error.remedy.count > 10, "seed \(seed)")
    #expect(error.exitCode == .badInput)
  }

  @Test(arguments: 0..<1200)
  func `a damaged GGUF file is refused with a reason or read within its bounds`(seed: Int) {
    var mutator = Mutator(random: SeededRandom(seed: UInt64(seed)))
    let bytes = mutator.mutate(everythingFile())
    do {
      guard case .complete(let header) = try readHeader(bytes) else {
        Issue.record("seed \(seed): the reader asks for more than the file has")
        return
      }
      #expect(header.tensors.allSatisfy { header.dataOffset + $0.offset + $0.byteCount <= bytes.count })
      // Every count was held against the bytes of the file.
      #expect(header.tensorBytes <= bytes.count)
      #expect(header.metadata.keys.allSatisfy { (header.metadata[$0]?.arrayValue?.count ?? 0) <= bytes.count })
      #expect(try header.inventory(path: "model.gguf").bytes == ByteCount(header.tensorBytes))
    } catch { expectHelpful(error, file: "model.gguf", seed: seed) }
  }

  @Test(arguments: 0..<600)
  func `a damaged safetensors file is refused with a reason or read within its bounds`(seed: Int) {
    var mutator = Mutator(random: SeededRandom(seed: UInt64(seed) &+ 10_000))
    let bytes = mutator.mutate(safetensorsFile(smallHeader, dataBytes: 104))
    do {
      guard case .complete(let header) = try readSafetensors(bytes) else {
        Issue.record("seed \(seed): the reader asks for more than the file has")
        return
      }
      #expect(header.tensors.allSatisfy { header.dataOffset + $0.offset + $0.byteCount <= bytes.count })
    } catch { expectHelpful(error, file: "model.safetensors", seed: seed) }
  }

  @Test func `a damaged configuration is refused with a reason or described`() throws {
    let folder = try TemporaryFolder()
    for seed in 0..<600 {
      var mutator = Mutator(random: SeededRandom(seed: UInt64(seed) &+ 20_000))
      let path = try folder.write(mutator.mutate(Array(smallConfiguration.utf8)), "config.json")
      do {
        let model = try ModelFile.open(path)
        #expect(model.description.inventory.tensors.count < 100_000)
      } catch { expectHelpful(error, file: path, seed: seed) }
    }
  }

  @Test func `a damaged list of shards is refused with a reason or obeyed`() throws {
    let folder = try TemporaryFolder()
    try folder.write(smallConfiguration, "config.json")
    try folder.write(safetensorsFile(smallHeader, dataBytes: 104), "a.safetensors")
    let index = #"{"metadata":{"total_size":104},"weight_map":{"model.norm.weight":"a.safetensors"}}"#
    for seed in 0..<200 {
      var mutator = Mutator(random: SeededRandom(seed: UInt64(seed) &+ 40_000))
      try folder.write(mutator.mutate(Array(index.utf8)), "model.safetensors.index.json")
      do {
        #expect(try ModelFile.open(folder.path).weights?.inventory.tensors.count == 3)
      } catch {
        #expect(error.message.contains("'\(folder.path)/"), "seed \(seed): \(error.message)")
        #expect(error.remedy.count > 10)
      }
    }
  }

  @Test func `a header read in growing pieces ends as it does in one`() throws {
    for seed in 0..<200 {
      var mutator = Mutator(random: SeededRandom(seed: UInt64(seed) &+ 30_000))
      let bytes = mutator.mutate(everythingFile())
      let whole = Result { try completeHeader(bytes) }
      let pieces = Result { try headerInPieces(bytes) }
      switch (whole, pieces) {
      case (.success(let one), .success(let other)): #expect(one.tensors == other.tensors)
      case (.failure(let one), .failure(let other)): #expect("\(one)" == "\(other)", "seed \(seed)")
      default: Issue.record("seed \(seed): \(whole) against \(pieces)")
      }
    }
  }

  private func headerInPieces(_ bytes: [UInt8]) throws -> GGUFHeader {
    var given = 0
    while true {
      switch try readHeader(Array(bytes[..<given]), fileBytes: bytes.count) {
      case .complete(let header): return header
      case .needsMoreBytes(let count): given = count
      }
    }
  }
}
