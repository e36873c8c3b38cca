// SPDX-License-Identifier: Apache-2.0
package import LanguageModel
package import ModelFiles
package import Quantities

/// Why the hub does not give a model's headers.
package enum HubError: Error, Equatable, Sendable {
  case invalidReference(String)
  case invalidEndpoint(String)
  /// The token has characters that no header may hold; it is not repeated here.
  case invalidToken
  /// `HF_HUB_OFFLINE` forbids the network.
  case offlineRequested
  case unreachable(host: String, Obstacle, detail: String)
  case timedOut(url: String, after: Seconds)
  /// The connection broke, or ended before the announced length, as often as it was tried.
  case brokenTransfer(url: String, detail: String)
  case needsAccess(repository: String, hasToken: Bool)
  case notFound(repository: String, revision: String, file: String?)
  case rateLimited(host: String, wait: Seconds?)
  case refused(url: String, status: Int)
  case tooManyRedirects(url: String, limit: Int)
  /// From a secured address to an open one, or to something that is not the web.
  case unsafeRedirect(from: String, to: String)
  case tooLarge(url: String, limit: ByteCount)
  case wrongRange(url: String, asked: String, answered: String)
  case notJSON(file: String, offset: Int)
  /// The repository is there, but holds nothing that can be described.
  case noModel(repository: String, reason: String)
  case ambiguous(repository: String, files: [String])
  case configuration(ConfigurationError)
  case file(ModelFileError)
  case systemFailure(detail: String)

  /// What stands between here and a host.
  package enum Obstacle: Equatable, Sendable {
    case nameUnknown, noConnection, certificate
  }
}

extension HubError: ExplainedError {
  package var kind: String {
    switch self {
    case .invalidReference: "hub_reference_invalid"
    case .invalidEndpoint: "hub_endpoint_invalid"
    case .invalidToken: "hub_token_invalid"
    case .offlineRequested: "hub_offline"
    case .unreachable: "hub_unreachable"
    case .timedOut: "hub_timeout"
    case .brokenTransfer: "hub_transfer_broken"
    case .needsAccess: "hub_access_denied"
    case .notFound: "hub_not_found"
    case .rateLimited: "hub_rate_limited"
    case .refused: "hub_refused"
    case .tooManyRedirects, .unsafeRedirect: "hub_redirect"
    case .tooLarge: "hub_answer_too_large"
    case .wrongRange: "hub_wrong_range"
    case .notJSON: "hub_not_json"
    case .noModel: "hub_no_model"
    case .ambiguous: "hub_ambiguous"
    case .configuration(let error): error.kind
    case .file(let error): error.kind
    case .systemFailure: "hub_system_failure"
    }
  }

  package var exitCode: ExitReason {
    switch self {
    case .unreachable, .timedOut, .brokenTransfer, .rateLimited, .refused, .tooManyRedirects, .unsafeRedirect,
      .tooLarge, .wrongRange, .systemFailure:
      .failure
    case .configuration(let error): error.exitCode
    case .file(let error): error.exitCode
    default: .badInput
    }
  }
}
