// SPDX-License-Identifier: Apache-2.0
import Foundation
import LanguageModel
import Quantities
import TestSupport
import Testing

@testable import Hub

@Suite struct `Hub transfers` {
  private static let good = ["config.json": Array(Toy.configuration.utf8), "model.safetensors": Toy.safetensors()]

  @Test func `a missing repository is told from a missing file`() throws {
    try withServer({ _, _ in .text("", status: 404, headers: ["X-Error-Code": "RepoNotFound"]) }) { server in
      #expect(
        refusal(hub(server), "maker/none")
          == .notFound(repository: "maker/none", revision: "main", file: nil))
    }
    try withServer(serving([:])) { server in
      #expect(
        refusal(hub(server), "maker/toy:x.gguf")
          == .notFound(repository: "maker/toy", revision: "main", file: "x.gguf"))
    }
  }

  @Test(arguments: [401, 403])
  func `a gated repository asks for licence and token`(status: Int) throws {
    try withServer({ _, _ in .text("", status: status, headers: ["X-Error-Code": "GatedRepo"]) }) { server in
      let without = try #require(refusal(hub(server), "maker/toy"))
      #expect(without == .needsAccess(repository: "maker/toy", hasToken: false))
      #expect(without.remedy.contains("HF_TOKEN") && without.remedy.contains("licence"))
      let with = try #require(refusal(hub(server, token: "hf_secret"), "maker/toy"))
      #expect(with == .needsAccess(repository: "maker/toy", hasToken: true))
      #expect(!with.message.contains("hf_secret"))
      #expect(server.requests.count == 2, "asking again does not help")
    }
  }

  @Test func `the token goes to the endpoint and to nobody else`() throws {
    try withServer(serving(Self.good)) { other in
      try withServer({ request, index in
        request.target.hasSuffix("model.safetensors")
          ? .redirect(to: other.endpoint + request.target) : serving(Self.good)(request, index)
      }) { server in
        let model = try hub(server, token: "hf_secret").model("maker/toy")
        #expect(model.parametersCounted == Toy.parameters)
        #expect(server.requests.count == 3)
        #expect(server.requests.allSatisfy { $0.headers["authorization"] == "Bearer hf_secret" })
        #expect(other.requests.count == 1)
        #expect(other.requests.allSatisfy { request in !request.headers.values.contains { $0.contains("hf_secret") } })
      }
    }
  }

  @Test func `a redirect within the hub keeps the token and is followed once per file`() throws {
    let long = Toy.safetensors(padding: 100_000)
    let files = ["config.json": Array(Toy.configuration.utf8), "model.safetensors": long]
    try withServer({ request, index in
      request.target.hasPrefix("/maker/old/")
        ? .redirect(to: request.target.replacingOccurrences(of: "/old/", with: "/toy/"))
        : serving(files)(request, index)
    }) { server in
      let model = try hub(server, token: "hf_secret").model("maker/old")
      #expect(model.parametersCounted == Toy.parameters)
      #expect(server.requests.allSatisfy { $0.headers["authorization"] == "Bearer hf_secret" })
      // Configuration and index twice, the weights' first piece twice, their second piece once.
      #expect(server.requests.count == 7)
    }
  }

  @Test func `circles end`() throws {
    try withServer({ request, _ in .redirect(to: request.target) }) { server in
      #expect(refusal(hub(server), "maker/toy")?.kind == "hub_redirect")
      #expect(server.requests.count == 6)
    }
  }

  @Test(arguments: ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x"])
  func `a redirect out of the web is refused`(target: String) throws {
    try withServer({ _, _ in .redirect(to: target) }) { server in
      #expect(refusal(hub(server), "maker/toy")?.kind == "hub_redirect")
    }
  }

  @Test func `a busy server is asked again after the pause that it names`() throws {
    let log = PauseLog()
    try withServer({ request, index in
      switch index {
      case 0: .text("slow down", status: 429, headers: ["Retry-After": "7"])
      case 1: .text("oops", status: 503)
      default: serving(Self.good)(request, index)
      }
    }) { server in
      let described = try hub(server, log: log).description(of: "maker/toy")
      #expect(described.parametersTotal == Toy.parameters)
      #expect(log.seconds == [7, 1])
    }
  }

  @Test func `patience is bounded`() throws {
    let log = PauseLog()
    try withServer({ _, _ in .text("", status: 429, headers: ["Retry-After": "3600"]) }) { server in
      let error = refusal(hub(server, log: log), "maker/toy")
      #expect(error == .rateLimited(host: "127.0.0.1:\(server.port)", wait: Seconds(3600)))
      #expect(server.requests.count == 1 && log.seconds == [])
    }
    try withServer({ _, _ in .text("", status: 502) }) { server in
      #expect(refusal(hub(server, log: log), "maker/toy")?.kind == "hub_refused")
      #expect(server.requests.count == 4 && log.seconds == [0.5, 1, 2])
    }
  }

  @Test func `a server without ranges is cut off behind the header`() throws {
    let files = [
      "config.json": Array(Toy.configuration.utf8),
      "model.safetensors": Toy.safetensors(Toy.tensors + [("model.vision.weight", [6000, 2000])], padding: 100_000),
    ]
    try withServer({ request, index in
      var request = request
      request.headers["range"] = nil
      return serving(files)(request, index)
    }) { server in
      let model = try hub(server).model("maker/toy")
      #expect(model.parametersCounted == Toy.parameters + 12_000_000)
      #expect(model.files.map(\.size) == [ByteCount(files["model.safetensors"]?.count ?? 0)])
      #expect(model.received < ByteCount(300_000))
      // The rest of the two answers was never sent, but for what fits into the network's buffers.
      #expect(server.bodyBytesSent < 16_000_000)
    }
  }

  @Test func `another piece than the one asked for is refused`() throws {
    for answered in ["bytes 5-104/1000", "bytes 0-1/1", "lines 0-9/100", "bytes 9-0/100", "", "bytes 0-99/-5"] {
      try withServer({ request, index in
        guard request.range != nil else { return serving(Self.good)(request, index) }
        return .init(status: 206, headers: ["Content-Range": answered], body: [UInt8](repeating: 0, count: 100))
      }) { server in
        let kind = refusal(hub(server), "maker/toy")?.kind
        #expect(kind == "hub_wrong_range", "'\(answered)'")
      }
    }
  }

  @Test func `a server that sends small parts is asked for the next ones`() throws {
    try withServer({ request, index in
      guard let range = request.range else { return serving(Self.good)(request, index) }
      var request = request
      request.headers["range"] = "bytes=\(range.lowerBound)-\(min(range.upperBound, range.lowerBound + 999))"
      return serving(Self.good)(request, index)
    }) { server in
      let described = try hub(server).model("maker/toy")
      #expect(described.parametersCounted == Toy.parameters)
      let header = Toy.safetensors().count - Toy.parameters * 2
      #expect(server.requests.compactMap(\.range).count >= (header + 999) / 1000)
    }
  }

  @Test func `a body shorter than announced is asked for again, then given up`() throws {
    let log = PauseLog()
    try withServer({ request, index in
      index == 0 ? .init(body: Array("{\"mod".utf8), announced: 500) : serving(Self.good)(request, index)
    }) { server in
      let described = try hub(server, log: log).description(of: "maker/toy")
      #expect(described.parametersTotal == Toy.parameters)
      #expect(log.seconds == [0.5])
    }
    try withServer({ _, _ in .init(body: [0x7B], announced: 500) }) { server in
      #expect(refusal(hub(server), "maker/toy")?.kind == "hub_transfer_broken")
    }
  }

  @Test func `a server that hangs is left after the time limit`() throws {
    try withServer({ _, _ in .init(hangs: true) }) { server in
      var settings = HubSettings(endpoint: server.endpoint)
      settings.totalTimeout = Seconds(0.2)
      let error = refusal(Hub(settings: settings), "maker/toy")
      guard case .timedOut(_, let after)? = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(after >= Seconds(0.19))
      #expect(server.requests.count == 1)
    }
  }

  @Test func `what is no HTTP or no JSON is told`() throws {
    try withServer({ _, _ in .init(raw: Array("SSH-2.0-OpenSSH_9.2\r\n".utf8)) }) { server in
      #expect(refusal(hub(server), "maker/toy")?.exitCode == .failure)
    }
    try withServer({ _, _ in .text("<html>Please log in to the hotel's network</html>") }) { server in
      #expect(
        refusal(hub(server), "maker/toy") == .notJSON(file: "hf:maker/toy:config.json", offset: 0))
    }
    try withServer({ _, _ in .text("[1, 2]") }) { server in
      #expect(refusal(hub(server), "maker/toy")?.kind == "configuration_not_an_object")
    }
    try withServer({ _, _ in .init(raw: []) }) { server in
      #expect(refusal(hub(server), "maker/toy")?.kind == "hub_transfer_broken")
    }
  }

  @Test func `an endless configuration is cut off`() throws {
    try withServer({ _, _ in .init(body: [UInt8](repeating: 0x20, count: 40 << 20)) }) { server in
      #expect(refusal(hub(server), "maker/toy")?.kind == "hub_answer_too_large")
      #expect(server.bodyBytesSent < 16 << 20)
    }
  }

  @Test func `headers damaged at random give an explained error or a model`() throws {
    let seed: UInt64 = 20_251_121
    var random = SeededRandom(seed: seed)
    let gguf = Toy.gguf().bytes
    let weights = Toy.safetensors()
    for round in 0..<60 {
      var files = Self.good
      files["toy.gguf"] = gguf
      files["model.safetensors"] = weights
      for name in ["config.json", "toy.gguf", "model.safetensors"] {
        var bytes = files[name] ?? []
        for _ in 0..<3 {
          bytes[Int.random(in: 0..<min(bytes.count, 2000), using: &random)] = .random(in: 0...255, using: &random)
        }
        files[name] = bytes
      }
      try withServer(serving(files)) { server in
        for reference in ["maker/toy", "maker/toy:toy.gguf"] {
          guard let error = refusal(hub(server), reference) else { continue }
          #expect(!error.message.isEmpty && !error.remedy.isEmpty && error.kind != "", "seed \(seed), round \(round)")
        }
      }
    }
  }
}

@Suite struct `Hub settings and references` {
  @Test func `nobody listening and unknown names are told apart`() throws {
    let server = try LoopbackServer { _, _ in .text("") }
    server.stop()
    // The port was ours until now.
    Thread.sleep(forTimeInterval: 0.05)
    let refused = refusal(hub(server), "maker/toy")
    guard case .unreachable(_, .noConnection, _)? = refused else {
      Issue.record("\(String(describing: refused))")
      return
    }
    // The domain 'invalid' exists nowhere (RFC 2606).
    let unknown = refusal(Hub(settings: HubSettings(endpoint: "http://hub.invalid")), "maker/toy")
    #expect(unknown?.kind == "hub_unreachable")
    #expect(unknown?.exitCode == .failure)
  }

  @Test(arguments: ["", "huggingface.co", "ftp://host", "http://", "https://user@host", "https://host?x=1", "::"])
  func `an endpoint is a web address`(text: String) {
    #expect(refusal(Hub(settings: HubSettings(endpoint: text)), "a/b") == .invalidEndpoint(text))
  }

  @Test func `a token that no header can carry is refused and not repeated`() {
    let settings = HubSettings(endpoint: "http://127.0.0.1:1", token: "hf_x\r\nHost: evil")
    let error = refusal(Hub(settings: settings), "a/b")
    #expect(error == .invalidToken)
    #expect(error?.message.contains("hf_x") == false)
  }

  @Test func `offline means offline`() {
    var settings = HubSettings(endpoint: "http://127.0.0.1:1")
    settings.isOffline = true
    #expect(refusal(Hub(settings: settings), "a/b") == .offlineRequested)
  }

  @Test func `references have an owner, a name, and perhaps a revision and a file`() throws {
    let plain = try HubReference("hf:Qwen/Qwen2.5-7B")
    #expect((plain.owner, plain.name, plain.revision, plain.file) == ("Qwen", "Qwen2.5-7B", "main", nil))
    let full = try HubReference("a/b@v1.0:sub/c.gguf")
    #expect((full.revision, full.file) == ("v1.0", "sub/c.gguf"))
    #expect(full.text == "a/b@v1.0:sub/c.gguf" && plain.text == "Qwen/Qwen2.5-7B")
    #expect(full.url(of: "ä b", endpoint: "https://h") == "https://h/a/b/resolve/v1.0/%C3%A4%20b")
  }

  @Test(arguments: [
    "", "hf:", "gpt2", "a/b/c", "/b", "a/", "a/..", "../b", "a/b@", "a/b:", "a/b:../c", "a/b:x/../y", "a/b:/etc/x",
    "a b/c", "a/b@x y", "a/b?c", "a/b#c", "a/ü", "a/b:x\ny", "a/b:x\\y",
  ])
  func `anything else is no reference`(text: String) {
    #expect(refusal(ofReference: text) == .invalidReference(text))
  }

  @Test func `every error says what failed and what to do`() {
    let errors: [HubError] = [
      .invalidReference("x"), .invalidEndpoint("x"), .invalidToken, .offlineRequested,
      .unreachable(host: "h", .nameUnknown, detail: "d"), .unreachable(host: "h", .noConnection, detail: "d"),
      .unreachable(host: "h", .certificate, detail: "d"), .timedOut(url: "u", after: Seconds(1)),
      .brokenTransfer(url: "u", detail: "d"), .needsAccess(repository: "r", hasToken: true),
      .needsAccess(repository: "r", hasToken: false), .notFound(repository: "r", revision: "main", file: nil),
      .notFound(repository: "r", revision: "main", file: "f"), .rateLimited(host: "h", wait: nil),
      .rateLimited(host: "h", wait: Seconds(3)), .refused(url: "u", status: 418),
      .tooManyRedirects(url: "u", limit: 5), .unsafeRedirect(from: "a", to: "b"),
      .tooLarge(url: "u", limit: ByteCount(1 << 20)), .wrongRange(url: "u", asked: "0-1", answered: "2-3"),
      .notJSON(file: "f", offset: 3), .noModel(repository: "r", reason: "n"),
      .ambiguous(repository: "r", files: ["a", "b"]), .systemFailure(detail: "d"),
    ]
    for error in errors {
      #expect(error.message.hasSuffix(".") && error.remedy.hasSuffix("."), "\(error.kind)")
      #expect(error.kind.hasPrefix("hub_"))
    }
    #expect(Set(errors.map(\.message)).count == errors.count)
  }
}
