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
import Testing

@Suite struct CheckpointTests {
  private func folder<Result>(_ body: (String) throws -> Result) throws -> Result {
    try TemporaryFile.with { try body(String($0.dropLast(5))) }
  }

  /// A tensor of the folder's files as it is stored.
  private func bytes(_ path: String, _ name: String) throws -> [UInt8] {
    let files = try #require(try SafetensorsFiles.inFolder(path))
    return Array(files.bytes(ofTensor: try #require(files.index(ofTensorNamed: name), "\(name)")))
  }

  private func values<Value>(_ path: String, _ name: String, _ type: Value.Type) throws -> [Value] {
    try bytes(path, name).withUnsafeBytes { bytes in
      (0..<bytes.count / MemoryLayout<Value>.stride).map {
        bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Value>.stride, as: type)
      }
    }
  }

  @Test func `a folder holds the same model and the same vocabulary as the file`() throws {
    try folder { path in
      let made = try Making.make("f16", to: path, calibrated: false)
      let source = try Story.file()
      #expect(made.description.architecture.layers == source.description.architecture.layers)
      let files = try #require(try TokenizerFiles.beside(path))
      let tokenizer = try Tokenizer(files)
      let text = try #require(Story.expected()["greedy_text"]?.stringValue)
      let tokens = try Story.model().tokenizer.encode(text)
      #expect(tokenizer.encode(text) == tokens)
      // 16-bit weights of a 32-bit model: a relative error of 2^-11 each.
      #expect(try Story.divergence(of: path) < 1e-4)
    }
  }

  @Test(arguments: ["awq4-g32", "gptq4-g32"])
  func `the packed words hold the integers that the GGUF file holds`(variant: String) throws {
    try folder { path in
      _ = try Making.make(variant, to: path)
      let blocks = try Making.make(variant, to: path + ".gguf")
      let (rows, columns) = (32, 64)
      let expected = try decoded(blocks, "blk.1.attn_v.weight")
      let base = "model.layers.1.self_attn.v_proj"
      let words = try values(path, base + ".qweight", UInt32.self)
      let zeros = try values(path, base + ".qzeros", UInt32.self)
      let scales = try values(path, base + ".scales", Float16.self)
      let order = [0, 2, 4, 6, 1, 3, 5, 7]
      for row in 0..<rows {
        for column in 0..<columns {
          let scale = Float(scales[column / 32 * rows + row])
          let (code, zero): (UInt32, UInt32)
          if variant.hasPrefix("awq") {
            let shift = UInt32(4 * (order.firstIndex(of: row % 8) ?? 0))
            code = words[column * rows / 8 + row / 8] >> shift & 15
            zero = zeros[column / 32 * rows / 8 + row / 8] >> shift & 15
          } else {
            code = words[column / 8 * rows + row] >> UInt32(4 * (column % 8)) & 15
            zero = (zeros[column / 32 * rows / 8 + row / 8] >> UInt32(4 * (row % 8)) & 15) + 1
          }
          let value = (Float(code) - Float(zero)) * scale
          // The GGUF block keeps −zero · scale in 16 bits.
          #expect(abs(value - expected[row * columns + column]) <= 15 * scale / 2048)
        }
      }
      if variant.hasPrefix("gptq") {
        #expect(try values(path, base + ".g_idx", Int32.self) == (0..<64).map { Int32($0 / 32) })
      }
      let settings = try JSON(parsing: Array(Data(contentsOf: URL(fileURLWithPath: path + "/config.json"))))
      #expect(settings["quantization_config"]?["group_size"]?.intValue == 32)
    }
  }

  @Test(arguments: ["sparse-0.5", "sparse-2:4"])
  func `a sparse folder runs like the file with the same zeros, and is smaller`(variant: String) throws {
    try folder { path in
      _ = try Making.make(variant, to: path, calibrated: false)
      let file = path + ".gguf"
      _ = try Making.make(variant, to: file, calibrated: false)
      let made = try ModelFile.open(path)
      let name = "model.layers.1.self_attn.q_proj.weight"
      let index = try #require(made.weights?.index(ofTensorNamed: name))
      #expect(made.description.inventory.tensors[index].format.name == variant)
      // Each may multiply a row of another length in 16 bits, which moves a product by 2e-4 of its size.
      let (folder, single) = (try Story.divergence(of: path), try Story.divergence(of: file))
      #expect(abs(folder - single) < 1e-3 * single)
      let base = "model.layers.1.self_attn.q_proj"
      #expect(try bytes(path, base + ".compressed").count == 64 * 64)
      #expect(try bytes(path, base + ".bitmask").count == 64 * 8)
      if variant == "sparse-0.5" {
        #expect(try values(path, base + ".row_offsets", Int64.self) == (0..<64).map { Int64($0 * 32) })
      }
    }
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

  @Test func `act-order names the group of each column, largest inputs in the first`() throws {
    try folder { path in
      _ = try Making.make("gptq4-g32-act", to: path)
      let groups = try values(path, "model.layers.0.self_attn.q_proj.g_idx", Int32.self)
      #expect(Set(groups) == [0, 1] && groups.filter { $0 == 0 }.count == 32)
      #expect(groups != (0..<64).map { Int32($0 / 32) })
    }
  }

  @Test(arguments: ["nf4", "nf4-dq"]) func `normal-floats are within half a step of the weights`(variant: String) throws
  {
    try folder { path in
      _ = try Making.make(variant, to: path, calibrated: false)
      let base = "model.layers.2.mlp.down_proj.weight"
      let codes = try values(path, base, UInt8.self)
      let levels = try values(path, base + ".quant_map", Float.self)
      let old = try Making.values(Story.file(), "blk.2.ffn_down.weight")
      let state = try JSON(parsing: try bytes(path, base + ".quant_state.bitsandbytes__nf4"))
      #expect(state["shape"]?.arrayValue?.compactMap(\.intValue) == [64, 172])
      var scales: [Float]
      if variant == "nf4" {
        scales = try values(path, base + ".absmax", Float.self)
      } else {
        let nested = try values(path, base + ".nested_absmax", Float.self)
        let map = try values(path, base + ".nested_quant_map", Float.self)
        #expect(map.count == 256 && map == map.sorted() && map.last == 1)
        let offset = Float(try #require(state["nested_offset"]?.doubleValue))
        scales = try values(path, base + ".absmax", UInt8.self).enumerated().map { index, code in
          map[Int(code)] * nested[index / 256] + offset
        }
      }
      for (index, value) in old.enumerated() {
        let code = index % 2 == 0 ? codes[index / 2] >> 4 : codes[index / 2] & 15
        let scale = scales[index / 64]
        let largest = old[index / 64 * 64..<min(old.count, index / 64 * 64 + 64)].map(abs).max() ?? 0
        // Half of the widest gap between levels, and what the scale itself is off by.
        #expect(abs(levels[Int(code)] * scale - value) <= 0.152 * largest + abs(scale - largest) + 1e-6)
      }
    }
  }

  @Test func `a checkpoint is a source too, and keeps its names and files`() throws {
    try folder { path in
      _ = try Making.make("f16", to: path, calibrated: false)
      let made = try Making.make("depth-1+gptq4-g32", to: path + "-small", source: path)
      #expect(made.description.architecture.layers.count == 4)
      #expect(try !bytes(path + "-small", "model.layers.3.self_attn.q_proj.qweight").isEmpty)
      #expect(FileManager.default.fileExists(atPath: path + "-small/tokenizer.json"))
    }
  }

  @Test func `what no checkpoint holds is refused, and nothing is left`() throws {
    try folder { path in
      #expect(throws: CompressorError.notCheckpoint(variant: "q4_k_m")) { try Making.make("q4_k_m", to: path) }
      #expect(throws: CompressorError.notCheckpoint(variant: "svd-0.5")) { try Making.make("svd-0.5", to: path) }
      let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
      let left = try FileManager.default.contentsOfDirectory(atPath: parent)
      #expect(left.isEmpty)
    }
  }
}
