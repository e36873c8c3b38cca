// SPDX-License-Identifier: Apache-2.0
import CKernels
import Foundation
import TestSupport
import Testing

/// The rows of another architecture: compiled for it, run under an emulator, compared with the portable row.
@Suite(.enabled(if: CrossTools.here != nil, "\(CrossTools.missing.joined(separator: " and ")) not installed"))
struct EmulatedRowTests {
  @Test func `NEON kernels keep their bounds on processors with their extensions, and none runs on others`() throws {
    let tools = try #require(CrossTools.here)
    let program = try tools.compile()
    defer { try? FileManager.default.removeItem(atPath: program) }
    try compare(tools, program, on: "max", rows: ["portable", "neon", "neondotprod", "neoni8mm"])
    try compare(tools, program, on: "cortex-a76", rows: ["portable", "neon", "neondotprod"])
    try compare(tools, program, on: "cortex-a57", rows: ["portable", "neon"])
  }

  private func compare(_ tools: CrossTools, _ program: String, on processor: String, rows: Set<String>) throws {
    let lines = try CrossTools.output(of: tools.emulator, ["-cpu", processor, program]).split(separator: "\n")
    var kernels: [String: Set<String>] = [:]
    for line in lines {
      let fields = line.split(separator: " ").map(String.init)
      try #require(fields.count == 3, "\(line)")
      let fraction = try #require(Double(fields[2]), "\(line)")
      #expect(fraction <= 1, "\(fields[0]) \(fields[1]) on \(processor): \(fraction) times its bound")
      kernels[fields[0], default: []].insert(fields[1])
    }
    #expect(Set(kernels.keys) == rows, "\(processor)")
    for row in rows { #expect(kernels[row] == kernels["portable"], "\(row) on \(processor)") }
    expectAllFormats(in: kernels["portable"] ?? [])
  }

  private func expectAllFormats(in kernels: Set<String>) {
    func count(_ prefix: String) -> Int { kernels.count { $0.hasPrefix(prefix + "_") } }
    let types = (0..<Int32(CK_TYPE_COUNT.rawValue))
    let portable = ck_kernels_for(CK_PORTABLE)
    let panels = types.count { ck_has_panels($0) != 0 }
    #expect(count("decode") == types.count { ck_decoder_of(portable, $0) != nil })
    #expect(count("matvec") == types.count { ck_is_direct(portable, $0) != 0 } + 1)
    #expect(count("panel_matvec") == panels && count("panel_gemm") == panels)
    #expect(count("attention") == 3 && count("activate") == 6)
  }
}

/// A compiler for aarch64 and an emulator of its processors.
private struct CrossTools {
  private static let names = ["aarch64-linux-gnu-gcc", "qemu-aarch64"]
  /// What is not here; on the architecture itself the other tests run its rows.
  static var missing: [String] { names.filter { path(of: $0) == nil } }
  static let here = CrossTools()

  let compiler: String
  let emulator: String

  private init?() {
    let paths = Self.names.compactMap(Self.path)
    guard paths.count == 2 else { return nil }
    (compiler, emulator) = (paths[0], paths[1])
  }

  private static func path(of command: String) -> String? {
    (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(command)" }
      .first { access($0, X_OK) == 0 }
  }

  /// The comparing program with all kernels in it.
  func compile() throws -> String {
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let kernels = package.appendingPathComponent("Sources/CKernels").path
    let sources = try FileManager.default.contentsOfDirectory(atPath: kernels).sorted()
      .filter { $0.hasSuffix(".c") && !$0.hasPrefix("encode") }
    let comparer = try #require(Bundle.module.url(forResource: "Emulation/compare-rows.c", withExtension: nil))
    let program = FileManager.default.temporaryDirectory.appendingPathComponent("anprobe-rows-\(getpid())").path
    let flags = ["-D_GNU_SOURCE", "-O1", "-fno-math-errno", "-ffp-contract=off", "-Wall", "-Werror", "-static"]
    let inputs = [comparer.path] + sources.map { "\(kernels)/\($0)" }
    let others = ["-Wno-unused-function", "-I", kernels + "/include", "-o", program]
    _ = try Self.output(of: compiler, flags + others + inputs + ["-lm"])
    return program
  }

  static func output(of program: String, _ arguments: [String]) throws -> String {
    let pipe = try ChildProcess.Pipe()
    defer { close(pipe.reading) }
    let process = try ChildProcess(program, arguments, output: .pipe(pipe))
    let text = String(decoding: pipe.readToEnd(), as: UTF8.self)
    try #require(process.wait() == .exit(0), "\(program) \(arguments.joined(separator: " "))")
    return text
  }
}
