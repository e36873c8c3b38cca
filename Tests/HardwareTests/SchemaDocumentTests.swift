// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hardware
import JSONText
import Testing

@Suite struct SchemaDocumentTests {
  @Test func `every key of a profile is described in docs`() throws {
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let document = try String(contentsOf: package.appendingPathComponent("docs/profile-schema.md"), encoding: .utf8)
    var keys: Set<String> = []
    for seed in 0..<40 {
      var samples = ProfileSamples(seed: UInt64(seed))
      collect(samples.profile().json, &keys)
    }
    #expect(keys.count > 80)
    // A key is written alone or behind its parents: `index`, `limits.offlineCount`.
    let missing = keys.filter { key in
      !["`\(key)`", "`\(key)[", "`\(key).", ".\(key)`", "\"\(key)\""].contains { document.contains($0) }
    }
    #expect(missing.sorted() == [])
  }

  private func collect(_ json: JSON, _ keys: inout Set<String>) {
    for member in json.members ?? [] {
      keys.insert(member.key)
      collect(member.value, &keys)
    }
    for value in json.arrayValue ?? [] { collect(value, &keys) }
  }
}
