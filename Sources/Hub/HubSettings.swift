// SPDX-License-Identifier: Apache-2.0
package import Quantities

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Which hub is asked, as whom, and how patiently.
package struct HubSettings: Sendable {
  /// Without a slash at the end.
  package var endpoint: String
  /// Sent to the endpoint's own scheme, host and port only.
  package var token: String?
  package var isOffline = false
  package var userAgent = "anprobe/\(ProgramVersion.current)"
  package var connectTimeout = Seconds(10)
  /// Less than a byte a second for so long ends a transfer; whole seconds.
  package var stallTimeout = Seconds(20)
  /// For one request with its answer.
  package var totalTimeout = Seconds(120)
  package var redirectLimit = 5
  /// Repetitions after the first attempt.
  package var retryLimit = 3
  /// The first pause; each further one is twice as long.
  package var firstPause = Seconds(0.5)
  /// A server that asks for more patience is not waited for.
  package var longestPause = Seconds(20)
  /// How a pause passes; tests replace it.
  package var pause: @Sendable (Seconds) -> Void = { _ = usleep(UInt32(min(max($0.seconds, 0), 60) * 1e6)) }

  package static let publicEndpoint = "https://huggingface.co"

  package init(endpoint: String = Self.publicEndpoint, token: String? = nil) {
    self.endpoint = endpoint
    self.token = token
  }

  /// As the environment says: `HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_OFFLINE` (the names that huggingface_hub reads).
  package static var environment: HubSettings {
    var settings = HubSettings(endpoint: variable("HF_ENDPOINT") ?? publicEndpoint, token: variable("HF_TOKEN"))
    settings.isOffline = ["1", "true", "yes", "on"].contains((variable("HF_HUB_OFFLINE") ?? "").lowercased())
    return settings
  }

  /// The value without spaces and line breaks around it; nil when it is unset or empty.
  private static func variable(_ name: String) -> String? {
    guard let value = getenv(name) else { return nil }
    let text = String(cString: value)
    let trimmed = text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed()
    return trimmed.isEmpty ? nil : String(trimmed)
  }
}

/// What has been read so far, for somebody who waits.
package struct HubProgress: Sendable, Equatable {
  /// The file that is being read.
  package let file: String
  package let requests: Int
  package let received: ByteCount
}
