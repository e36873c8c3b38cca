// SPDX-License-Identifier: Apache-2.0
import Foundation
import LanguageModel
import ModelFiles
import Quantities
import Testing

@testable import Hub

@Suite struct `Describing a model of the hub` {
  @Test func `a repository gives its configuration's model and its files' count`() throws {
    let weights = Toy.safetensors()
    let files = ["config.json": Array(Toy.configuration.utf8), "model.safetensors": weights]
    try withServer(serving(files)) { server in
      let model = try hub(server).model("hf:maker/toy")
      #expect(model.description.name == "toy")
      #expect(model.description.provenance == .hub(repository: "maker/toy"))
      #expect(model.description.parametersTotal == Toy.parameters)
      #expect(model.parametersCounted == Toy.parameters)
      #expect(model.description.notes == [])
      #expect(
        model.files == [
          HubFile(
            name: "model.safetensors", size: ByteCount(weights.count), tensorBytes: ByteCount(Toy.parameters * 2))
        ])
      #expect(server.requests.allSatisfy { $0.headers["user-agent"] == "anprobe/\(ProgramVersion.current)" })
      #expect(server.requests.allSatisfy { $0.headers["authorization"] == nil })
    }
  }

  @Test func `of a large safetensors file only the header travels`() throws {
    // 24 MB of weights that the description does not count, behind a header longer than the first piece.
    let tensors = Toy.tensors + [("model.vision.weight", [6000, 2000])]
    let weights = Toy.safetensors(tensors, padding: 100_000)
    let configuration = Array(Toy.configuration.utf8)
    try withServer(serving(["config.json": configuration, "model.safetensors": weights])) { server in
      let model = try hub(server).model("maker/toy")
      let headerBytes = weights.count - (Toy.parameters + 12_000_000) * 2
      #expect(weights.count > 24_000_000)
      #expect(model.parametersCounted == Toy.parameters + 12_000_000)
      #expect(
        model.description.notes == [
          .countDiffers(described: Toy.parameters, stored: Toy.parameters + 12_000_000)
        ])
      // The configuration, "Entry not found" for the index, and exactly the header.
      #expect(server.bodyBytesSent == configuration.count + 15 + headerBytes)
      #expect(model.received == ByteCount(server.bodyBytesSent))
      let ranges = server.requests.compactMap(\.range)
      #expect(ranges == [0...65_535, 65_536...headerBytes - 1])
    }
  }

  @Test func `an index names the files whose headers are read`() throws {
    let half = Toy.tensors.count / 2
    let map = Toy.tensors.enumerated().map { "\"\($1.name)\": \"part-\($0 < half ? 1 : 2).safetensors\"" }
    let files = [
      "config.json": Array(Toy.configuration.utf8),
      "model.safetensors.index.json": Array("{\"weight_map\": {\(map.joined(separator: ","))}}".utf8),
      "part-1.safetensors": Toy.safetensors(Array(Toy.tensors[..<half])),
      "part-2.safetensors": Toy.safetensors(Array(Toy.tensors[half...])),
    ]
    try withServer(serving(files)) { server in
      let model = try hub(server).model("maker/toy")
      #expect(model.files.map(\.name) == ["part-1.safetensors", "part-2.safetensors"])
      #expect(model.parametersCounted == Toy.parameters)
    }
  }

  @Test func `an index cannot name files elsewhere`() throws {
    let files = [
      "config.json": Array(Toy.configuration.utf8),
      "model.safetensors.index.json": Array("{\"weight_map\": {\"a\": \"../../x/y.safetensors\"}}".utf8),
    ]
    try withServer(serving(files)) { server in
      #expect(refusal(hub(server), "maker/toy")?.kind == "file_malformed")
      #expect(server.requests.count == 2)
    }
  }

  @Test func `codes and scales are not counted as parameters`() throws {
    let files = [
      "config.json": Array(Toy.configuration.utf8),
      "model.safetensors": Toy.safetensors(element: "F8_E4M3", elementBytes: 1),
    ]
    try withServer(serving(files)) { server in
      let model = try hub(server).model("maker/toy")
      #expect(model.parametersCounted == nil)
      #expect(model.description.parametersTotal == Toy.parameters)
    }
  }

  @Test func `a configuration alone is enough`() throws {
    try withServer(serving(["config.json": Array(Toy.configuration.utf8)])) { server in
      let model = try hub(server).model("maker/toy")
      #expect(model.description.parametersTotal == Toy.parameters)
      #expect(model.files == [])
      #expect(model.parametersCounted == nil)
    }
  }

  @Test func `a configuration or a weight file may be named`() throws {
    let files = [
      "sub/other.json": Array(Toy.configuration.utf8), "config.json": Array(Toy.configuration.utf8),
      "odd name.safetensors": Toy.safetensors(),
    ]
    let percent: @Sendable (LoopbackServer.Request, Int) -> LoopbackServer.Reply = { request, index in
      var request = request
      request.target = request.target.removingPercentEncoding ?? ""
      return serving(files)(request, index)
    }
    try withServer(percent) { server in
      let described = try hub(server).description(of: "maker/toy:sub/other.json")
      #expect(described.parametersTotal == Toy.parameters)
      #expect(refusal(hub(server), "maker/toy:absent.json")?.kind == "hub_not_found")
      #expect(refusal(hub(server), "maker/toy:odd name.safetensors")?.kind == "hub_reference_invalid")
    }
  }

  @Test func `a revision is part of the address`() throws {
    let configuration = Toy.configuration
    try withServer({ request, _ in
      request.target == "/maker/toy/resolve/refs%2Fpr%2F1/config.json"
        ? .text(configuration) : .text("Entry not found", status: 404)
    }) { server in
      let description = try hub(server).description(of: "hf:maker/toy@refs/pr/1")
      #expect(description.provenance == .hub(repository: "maker/toy@refs/pr/1"))
    }
  }

  @Test func `progress tells what is read`() throws {
    let files = ["config.json": Array(Toy.configuration.utf8), "model.safetensors": Toy.safetensors()]
    try withServer(serving(files)) { server in
      var steps: [HubProgress] = []
      _ = try hub(server).model("maker/toy") { steps.append($0) }
      #expect(steps.map(\.file) == ["config.json", "model.safetensors.index.json", "model.safetensors"])
      #expect(steps.map(\.requests) == [1, 2, 3])
      #expect(steps.last?.received == ByteCount(server.bodyBytesSent))
    }
  }
}

@Suite struct `Describing a GGUF file of the hub` {
  @Test(arguments: [1_000, 900_000, 7_000_000])
  func `of a large file the header travels and little more`(vocabularyBytes: Int) throws {
    let file = Toy.gguf(vocabularyBytes: vocabularyBytes, fillRows: 60_000)
    try withServer(serving(["toy.gguf": file.bytes])) { server in
      let model = try hub(server).model("maker/toy:toy.gguf")
      #expect(file.bytes.count > 15_000_000 + file.headerBytes)
      #expect(model.description.provenance == .hub(repository: "maker/toy:toy.gguf"))
      #expect(model.description.architecture.layers.count == 2)
      #expect(model.files.map(\.size) == [ByteCount(file.bytes.count)])
      // Pieces double from 256 KiB up to steps of 4 MiB.
      #expect(server.bodyBytesSent <= max(256 << 10, min(2 * file.headerBytes, file.headerBytes + (4 << 20))))
      #expect(server.bodyBytesSent >= min(file.headerBytes, file.bytes.count))
    }
  }

  @Test func `a file's tensors are counted exactly`() throws {
    let file = Toy.gguf()
    try withServer(serving(["toy.gguf": file.bytes])) { server in
      let model = try hub(server).model("maker/toy:toy.gguf")
      // The head is tied in this file.
      #expect(model.description.parametersTotal == Toy.parameters - 2048)
      #expect(model.files.map(\.tensorBytes) == [ByteCount((Toy.parameters - 2048) * 4)])
    }
  }

  private static let listing = """
    [{"type": "file", "path": "README.md", "size": 3},
     {"type": "file", "path": "toy-Q4_K_M.gguf"}, {"type": "file", "path": "toy-Q8_0.gguf"}]
    """

  @Test func `a word chooses among the repository's files`() throws {
    let file = Toy.gguf()
    try withServer({ request, index in
      if request.target == "/api/models/maker/toy/tree/main" { return .text(Self.listing) }
      return serving(["toy-Q8_0.gguf": file.bytes])(request, index)
    }) { server in
      let described = try hub(server).model("maker/toy:q8_0")
      #expect(described.files.map(\.name) == ["toy-Q8_0.gguf"])
      #expect(
        refusal(hub(server), "maker/toy")
          == .ambiguous(repository: "maker/toy", files: ["toy-Q4_K_M.gguf", "toy-Q8_0.gguf"]))
      #expect(refusal(hub(server), "maker/toy:iq1")?.kind == "hub_no_model")
    }
  }

  @Test func `a file that ends within its header is named`() throws {
    let file = Toy.gguf(vocabularyBytes: 400_000)
    // Where the counts are there but the file has no room for them, they are what is wrong.
    for (count, kind) in [
      (0, "file_truncated"), (3, "file_truncated"), (20, "file_malformed"), (1000, "file_malformed"),
      (300_000, "file_truncated"),
    ] {
      try withServer(serving(["toy.gguf": Array(file.bytes.prefix(count))])) { server in
        let error = refusal(hub(server), "maker/toy:toy.gguf")
        #expect(error?.kind == kind, "\(count) bytes")
        #expect(error?.message.contains("hf:maker/toy:toy.gguf") == true)
      }
    }
  }

  @Test func `a model in several parts is read part by part`() throws {
    func part(_ number: Int, _ tensor: String) -> [UInt8] {
      var writer = GGUFWriter()
      writer.set("general.architecture", .string("llama"))
      for (key, value) in [
        ("block_count", 1), ("embedding_length", 64), ("feed_forward_length", 96), ("attention.head_count", 4),
      ] as [(String, UInt32)] { writer.set("llama.\(key)", .uint32(value)) }
      writer.set("split.count", .uint16(2))
      writer.set("split.no", .uint16(UInt16(number)))
      writer.add(tensor: tensor, dimensions: [64, 64], format: .f32)
      return writer.headerBytes() + [UInt8](repeating: 0, count: 64 * 64 * 4)
    }
    let files = [
      "toy-00001-of-00002.gguf": part(0, "token_embd.weight"),
      "toy-00002-of-00002.gguf": part(1, "blk.0.attn_q.weight"),
    ]
    try withServer(serving(files)) { server in
      let model = try hub(server).model("maker/toy:toy-00001-of-00002.gguf")
      #expect(model.files.map(\.name) == files.keys.sorted())
      #expect(model.description.parametersTotal == 2 * 64 * 64)
      #expect(server.requests.count == 2)
    }
    try withServer(serving(["toy-00001-of-00002.gguf": part(0, "token_embd.weight")])) { server in
      #expect(
        refusal(hub(server), "maker/toy:toy-00001-of-00002.gguf")
          == .notFound(repository: "maker/toy", revision: "main", file: "toy-00002-of-00002.gguf"))
    }
  }
}
