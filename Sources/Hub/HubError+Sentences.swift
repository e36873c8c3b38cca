// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel
internal import ModelFiles
internal import Quantities

extension HubError {
  package var message: String {
    switch self {
    case .invalidReference(let text): "'\(text)' names no model of the hub."
    case .invalidEndpoint(let text): "The hub's address '\(text)' is no http or https address."
    case .invalidToken: "The access token holds spaces or other characters that a header cannot carry."
    case .offlineRequested: "The hub is not asked because HF_HUB_OFFLINE is set."
    case .unreachable(let host, .nameUnknown, _): "The host '\(host)' is not found: no network, or no such name."
    case .unreachable(let host, .noConnection, let detail): "'\(host)' does not accept a connection: \(detail)."
    case .unreachable(let host, .certificate, let detail): "'\(host)' cannot be trusted: \(detail)."
    case .timedOut(let url, let seconds): "'\(url)' does not answer within \(seconds)."
    case .brokenTransfer(let url, let detail): "The transfer of '\(url)' breaks off: \(detail)."
    case .needsAccess(let repository, false):
      "'\(repository)' is gated, private or does not exist: the hub asks who reads it."
    case .needsAccess(let repository, true): "The access token has no access to '\(repository)'."
    case .notFound(let repository, let revision, nil): "The hub has no model '\(repository)' at revision '\(revision)'."
    case .notFound(let repository, let revision, let file?):
      "'\(repository)' has no file '\(file)' at revision '\(revision)'."
    case .rateLimited(let host, nil): "'\(host)' takes no more requests for now."
    case .rateLimited(let host, let wait?):
      "'\(host)' takes no more requests for \(wait)."
    case .refused(let url, let status): "The server answers '\(url)' with status \(status)."
    case .tooManyRedirects(let url, let limit): "'\(url)' leads on more than \(limit) times."
    case .unsafeRedirect(let from, let to): "'\(from)' leads to the unsecured address '\(to)'."
    case .tooLarge(let url, let limit): "The answer to '\(url)' is longer than \(limit)."
    case .wrongRange(let url, let asked, let answered):
      "The server was asked for bytes \(asked) of '\(url)' and answers with '\(answered)'."
    case .notJSON(let file, let offset): "'\(file)' is no JSON text (byte \(offset))."
    case .noModel(let repository, let reason): "'\(repository)' cannot be described: \(reason)."
    case .ambiguous(let repository, let files):
      "'\(repository)' holds \(files.count) GGUF files that fit: \(Self.list(files))."
    case .configuration(let error): error.message
    case .file(let error): error.message
    case .systemFailure(let detail): "The network library does not start a transfer: \(detail)."
    }
  }

  package var remedy: String {
    switch self {
    case .invalidReference: "Write hf:OWNER/NAME, hf:OWNER/NAME@REVISION or hf:OWNER/NAME:FILE."
    case .invalidEndpoint: "Set HF_ENDPOINT to an address such as https://huggingface.co, or unset it."
    case .invalidToken: "Set HF_TOKEN to the token alone, without quotes or line breaks."
    case .offlineRequested: "Unset HF_HUB_OFFLINE, or give a file, a folder or a model of the catalogue."
    case .unreachable(_, .certificate, _): "Check the clock of this machine and its certificates (ca-certificates)."
    case .unreachable, .timedOut:
      "Check the network, HF_ENDPOINT and https_proxy; a file, a folder or a model of the catalogue needs no network."
    case .brokenTransfer, .wrongRange: "Try again later, or through another HF_ENDPOINT."
    case .needsAccess(let repository, false):
      "Check the name; accept the model's licence on its page ('\(repository)') and set HF_TOKEN to an access token."
    case .needsAccess(let repository, true):
      "Accept the licence on the page of '\(repository)' with the account of the token, or set another HF_TOKEN."
    case .notFound(_, _, nil): "Check owner, name and revision on the hub."
    case .notFound(_, _, _): "Check the file's name on the model's page, upper and lower case included."
    case .rateLimited: "Wait and try again; with HF_TOKEN set the hub allows more requests."
    case .refused: "Try again later, or check HF_ENDPOINT."
    case .tooManyRedirects, .unsafeRedirect: "Check HF_ENDPOINT; do not trust what this address serves."
    case .tooLarge: "Check the reference: only configurations and headers are read, and none is so long."
    case .notJSON: "Check HF_ENDPOINT and proxies: something else than the hub may have answered."
    case .noModel: "Name a GGUF file with hf:OWNER/NAME:FILE, or a repository with a config.json."
    case .ambiguous(let repository, _): "Name one: hf:\(repository):FILE."
    case .configuration(let error): error.remedy
    case .file(let error): error.remedy
    case .systemFailure: "Check that libcurl is installed and memory is left."
    }
  }

  private static func list(_ files: [String]) -> String {
    let shown = files.prefix(8).map { "'\($0)'" }.joined(separator: ", ")
    return files.count > 8 ? shown + " and others" : shown
  }
}
