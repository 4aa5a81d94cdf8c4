// The whole configuration as one immutable, checked value: what a file means, with every default
// filled in.
//
// config/read.h makes it from text, config/files.h from a file on disk. Whoever holds a Config may
// rely on what the comments here say (names unique, references resolved, paths absolute, limits
// within range); nobody checks again. Every member has the default of the key table in
// config/keys.h, so that tests can start from Config{} and change what they need. Secrets are
// resolved and held in Secret, which nothing prints. Immutable once published
// (std::shared_ptr<const Config>); safe from any thread.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "behaviour/objective.h"
#include "behaviour/settings.h"
#include "crypto/secret.h"
#include "identity/authenticator.h"
#include "pqc/profile.h"
#include "provenance/trail.h"

namespace latticegate::config {

using std::chrono::milliseconds;
using namespace base::literals;

// A value that is used but never shown, and where it came from, for people: "env CRM_TOKEN",
// "file /run/secrets/crm", "text". Only the origin is ever printed.
struct Secret {
  crypto::Secret value;
  std::string origin;
};

// "host:port" taken apart. The host is an IPv4 or IPv6 address without brackets, or "localhost".
struct Address {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8443;  // 0: any free one (tests)
  bool operator==(const Address&) const = default;
};
std::string describe(const Address& address);

// A listener's TLS. Without certificate and key a development certificate is made in the state
// directory on first run.
struct ServerTls {
  pqc::Profile profile = pqc::Profile::preferred;
  std::filesystem::path
      certificate;                  // PEM chain, leaf first; given together with key or not at all
  std::filesystem::path key;        // PEM
  std::filesystem::path client_ca;  // PEM bundle; empty: client certificates are not asked for
  bool require_client_certificate = false;  // only with client_ca
};

struct Listen {
  Address address;
  std::optional<ServerTls> tls = ServerTls{};  // absent: `tls: off`, plain HTTP
  // What a Host header may say besides the address itself and, on loopback, the loopback names; a
  // port is ignored.
  std::vector<std::string> hosts;
  // Origins that browsers may call from ("https://console.example"), besides our own; requests
  // without Origin pass.
  std::vector<std::string> origins;
  unsigned threads = 0;            // event loops; 0: one per core
  std::optional<Address> metrics;  // plain HTTP for collectors of metrics; absent: none
};

// The management commands talk to the running gateway over this socket file (mode 0600).
struct Control {
  std::filesystem::path socket = "state/control.sock";  // at most 107 bytes, the kernel's limit
  bool four_eyes = false;                               // two people release what was killed
};

// A group or segment and what it lies in directly. The hierarchy has no cycle; every name in `in`
// is defined.
struct Named {
  std::string name;
  std::vector<std::string> in;
};

// What a call of a tool does, which decides the Cedar action groups that it belongs to. destructive
// and actuate are kinds of write. Empty set: not known (tools annotations then decide, and unknown
// counts as destructive and egress).
struct Effects {
  bool read = false;
  bool write = false;
  bool destructive = false;
  bool egress = false;
  bool actuate = false;
  bool operator==(const Effects&) const = default;
  bool any() const { return read || write || destructive || egress || actuate; }
};

struct Tool {
  Effects effects;                                  // as configured; none: not overridden
  std::optional<std::vector<std::string>> domains;  // absent: the server's
  std::optional<std::vector<std::string>> taint;    // absent: the server's
  std::optional<std::int64_t> sensitivity;          // absent: the server's
  std::string segment;                              // empty: the server's
  std::string region;                               // empty: the server's
  std::int64_t retention_years = 0;
  std::optional<std::uint64_t> max_records;  // per call; absent: behaviour.max_records
};

// A variable of a child's environment, value resolved.
struct Variable {
  std::string name;
  Secret value;  // literal, or from {env} or {file}
};

// A child process that speaks on its standard input and output.
struct Stdio {
  std::vector<std::string> command;  // argv, at least one element, no shell
  std::vector<Variable> env;         // set for the child; nothing else is inherited except `pass`
  // Variables of our own environment that the child inherits.
  std::vector<std::string> pass = {"PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR"};
  std::filesystem::path
      directory;  // where it starts; the configuration file's directory by default
};

// How the gateway gets tokens for a server (oauth/client.h, gateway/broker.h).
struct OAuth {
  // Either as itself, or with the code of an authorization endpoint that asks no person.
  enum class Grant : std::uint8_t { client_credentials, authorization_code };
  Grant grant = Grant::client_credentials;
  std::string client_id;  // empty: registers itself, or is `client_metadata`
  std::optional<Secret> client_secret;
  std::optional<Secret> private_key;  // PEM; in place of the secret
  std::vector<std::string> scopes;    // beside those that the server asks for
  std::string issuer;                 // that the client id is of; empty: the first that is found
  std::string client_metadata;        // URL of the metadata document that is the client id
  std::string redirect = "http://127.0.0.1/callback";
};

// A server reached by HTTP.
struct Http {
  std::string url;   // normalised: scheme, host in lower case, explicit path
  bool tls = true;   // https
  std::string host;  // IPv6 without brackets
  std::uint16_t port = 443;
  std::string target;  // path and query, "/mcp"
  pqc::Profile profile = pqc::Profile::preferred;
  std::filesystem::path ca;      // PEM bundle to trust instead of the system's; empty: the system's
  std::optional<Secret> bearer;  // credential that we present; absent: none
  std::optional<OAuth> oauth;    // or where it comes from; one of the two
};

enum class Era : std::uint8_t { automatic, legacy, modern };
enum class Mode : std::uint8_t { observe, enforce };

struct ServerTimeouts {
  milliseconds connect{5'000};  // TCP and TLS, or a child's first answer
  milliseconds request{
      120'000};  // from the last byte sent to the complete answer; progress restarts it
  milliseconds idle{60'000};  // of a pooled connection
};

struct Server {
  std::string name;  // [a-z0-9][a-z0-9_-]*, at most 64 bytes; its path is /mcp/<name>
  std::variant<Stdio, Http> transport;
  Era era = Era::automatic;
  std::string segment;  // empty: none
  std::string region;
  std::vector<std::string> domains;  // data domains that it holds: "personal-eu", "phi", ...
  std::vector<std::string>
      taint;  // labels that reading from it leaves on a conversation: "web", "email", ...
  std::int64_t sensitivity = 0;  // 0 public .. 4 restricted
  bool verified = false;
  Effects effects;  // for tools without their own
  std::map<std::string, Tool, std::less<>> tools;
  ServerTimeouts timeouts;
  std::optional<Mode> mode;  // absent: policy.mode
};

// The door to all servers at once: /mcp.
struct Aggregate {
  bool enabled = true;
  std::uint64_t search_above = 200;  // tools; 0: all are listed, however many
  milliseconds wait{10'000};         // for a server's part of a list
};

// A tool under another name.
struct VirtualTool {
  std::string server;
  std::string tool;
  std::string description;  // in place of the server's; empty: as it is
};

// A door to some servers, at /mcp/<name>.
struct VirtualServer {
  std::string name;                  // as a server's, and none has it
  std::vector<std::string> servers;  // whole ones, defined; sorted, without doubles
  bool prefix = true;                // false only with one server and no tool of another
  // By the name for clients: at most 64 letters, digits, _ and -, without "__".
  std::map<std::string, VirtualTool, std::less<>> tools;
  std::vector<std::string> groups;  // whose agents and people may use it; empty: everybody
  std::string instructions;         // in place of the servers'
  std::uint64_t search_above = 200;
};

// Other gateways that serve the same clients (gateway/replicas.h). One file may serve all of them:
// only `self` differs.
struct Replicas {
  std::string self;           // the name of this one among the members
  std::optional<Secret> key;  // 64 hexadecimal digits, the same at all
  pqc::Profile profile = pqc::Profile::preferred;
  std::filesystem::path ca;  // PEM bundle to trust instead of the system's; empty: the system's
  std::map<std::string, Http, std::less<>> members;  // with this one; empty: it is alone
};

struct Policy {
  std::filesystem::path directory = "policies";  // of .cedar files
  Mode mode = Mode::enforce;
  std::filesystem::path shadow{};      // of .cedar files that decide beside; empty: none
  std::vector<std::string> without{};  // ids of built-in policies
};

// How a person's yes is waited for.
struct Approvals {
  milliseconds pending{900'000};  // a request stays open
  milliseconds valid{600'000};    // an approval may be used
  milliseconds wait{0};           // a call waits for it; 0: it is answered at once
  std::string address;            // of this gateway, for links; empty: there are none
};

// What somebody may be told of.
enum class Event : std::uint8_t {
  kill,        // a conversation or agent was stopped
  quarantine,  // or an agent, user, server or tool, or all calls; and the end of it
  hold,        // a tool is held back
  approval,    // a call waits for a person's yes
  log,         // the record cannot be written, or can again
  objective,   // the budget of an objective burns, or does not any more
  ladder,      // an agent may do less, or more again
  policy,      // a policy's obligation alert:NAME
};

// A way to tell somebody.
struct AlertChannel {
  enum class Way : std::uint8_t { webhook, syslog, command, smtp };
  std::string name;  // as a server's
  Way way{};
  Http target;                       // webhook, syslog and smtp (host, port, tls, ca)
  std::optional<Secret> key;         // webhook: of the signature
  std::vector<std::string> command;  // argv, no shell
  // smtp: without `tls` in the target STARTTLS is demanded, but for this machine.
  std::string from;
  std::vector<std::string> to;
  std::string user;  // empty: without a password
  std::optional<Secret> password;
  bool starts_tls = false;
  std::uint32_t events = 0xFF;   // bit i: the i-th Event
  milliseconds timeout{10'000};  // of one try
  std::string approver;          // who answers approvals by the links that it gets; empty: nobody
};

struct Alerts {
  std::map<std::string, AlertChannel, std::less<>> channels;
  milliseconds repeat{300'000};   // the same is told once in that time
  std::uint32_t per_minute = 30;  // of a channel; what is more is counted
};

// What is remembered of answers, to tell where arguments come from.
struct Provenance {
  provenance::Limits limits{};
  std::int64_t private_from = 2;  // sensitivity
};

// What to do with what a detector found, per direction. Policies see the findings in any case
// except `off`.
enum class Treatment : std::uint8_t { off, report, redact };

// Findings that are none here: somebody looked, and says why. Empty names mean every one.
struct Exception {
  std::string rule;  // id of a rule, or a kind of findings ("instruction")
  std::string server;
  std::string tool;
  std::string field;  // a member's name: there and in what is below it
  std::string reason;
  std::string owner;
  std::optional<base::Time> until;  // the first moment at which it does not hold any more
};

// An ONNX model of an operator's own.
struct TextClassifier {
  std::filesystem::path model;  // empty: none
  bool arguments = false;
  bool results = true;
  double threshold = 0.5;
};

struct Inspect {
  Treatment secrets_in_arguments = Treatment::report;
  Treatment secrets_in_results = Treatment::redact;
  Treatment hidden_text_in_arguments = Treatment::report;
  Treatment hidden_text_in_results =
      Treatment::redact;        // redact: the hidden characters are taken out
  bool argument_schema = true;  // refuse arguments that the tool's inputSchema does not accept
  bool hold_changed = true;  // a descriptor that differs from its pin is held back until approved
  bool hold_new = false;     // also one that was never seen before (false: pinned on first sight)
  // Also one that nobody approved by name and whose words give orders, hide text or pass for
  // another server's.
  bool hold_suspicious = true;
  Treatment links_in_results = Treatment::redact;  // images and links whose address carries data
  bool refuse_questions = true;  // of servers to clients: for credentials, with orders to the model
  std::vector<Exception> exceptions;
  std::filesystem::path rules;       // directory with further rules; empty: the built-in ones only
  std::filesystem::path rules_keys;  // whose signatures that directory must have; empty: nobody's
  TextClassifier classifier;
};

// What of a call's question is recorded, for deciding it again.
enum class Context : std::uint8_t { full, sealed, none };

// Whose bodies are kept, sealed, beside the log.
enum class Bodies : std::uint8_t { none, requests, answers, all };

// Where the key is that wraps the keys of bodies.
struct BodyKey {
  std::filesystem::path file;        // of a credential, too; made if it does not exist
  std::vector<std::string> command;  // that prints it, instead
};

// How long what is recorded is kept; absent: for ever.
struct Retention {
  std::optional<std::chrono::seconds> records;
  std::optional<std::chrono::seconds> bodies;
  std::map<std::string, std::chrono::seconds, std::less<>> domains;  // bodies of some kinds of data
  bool hold = false;  // nothing is given up and nothing erased
};

// What becomes of calls while the log cannot be written.
enum class OnFailure : std::uint8_t { refuse, spill, proceed };

struct Audit {
  std::filesystem::path directory = "state/audit";
  std::string origin =
      "latticegate/local";  // names this log in records and checkpoints: org/environment/node
  std::filesystem::path keys = "state/keys";  // folder of the keys that sign its checkpoints
  base::Bytes segment = 64_MiB;               // a file is closed and a new one begun at this size
  Context context = Context::full;
  Bodies bodies = Bodies::none;
  base::Bytes body_limit = 256_KiB;
  BodyKey body_key = {.file = "state/keys/audit-bodies.key", .command = {}};
  std::string role = "auditor";  // of people who may read and erase bodies
  Retention retention;
  OnFailure on_failure = OnFailure::refuse;
  std::filesystem::path spill = "state/spill";
  bool index = true;  // for questions about it
};

struct Timeouts {
  milliseconds handshake{10'000};   // TLS, from accept
  milliseconds header{10'000};      // a request head, from its first byte
  milliseconds body{30'000};        // between two bytes of a body
  milliseconds write{30'000};       // a client that takes nothing
  milliseconds idle{75'000};        // keep-alive between two requests
  milliseconds session{3'600'000};  // a session without a request or an open stream
  milliseconds drain{10'000};       // after SIGTERM, for calls under way
  milliseconds keep_alive{15'000};  // until a silent event stream gets a comment; 0: never
};

struct Limits {
  base::Bytes body = 4_MiB;     // of a request
  base::Bytes answer = 16_MiB;  // of one message from a server
  base::Bytes header = 16_KiB;  // request line and header fields together
  std::uint32_t header_fields = 64;
  std::uint32_t json_depth = 32;
  std::uint32_t connections = 20'000;
  std::uint32_t connections_per_address = 10'000;
  std::uint32_t streams = 16;             // open event streams of one conversation
  std::uint32_t calls = 64;               // calls under way of one conversation
  std::uint32_t conversations = 100'000;  // principals, and sessions
  Timeouts timeouts;
};

struct Logging {
  base::Level level = base::Level::info;
  base::Log::Format format = base::Log::Format::text;
};

struct State {
  std::filesystem::path directory = "state";  // pins, kills, baselines, the development certificate
};

struct Config {
  std::filesystem::path file;       // where it was read from; empty for text that has no file
  std::filesystem::path directory;  // that relative paths started from
  Listen listen;
  Control control;
  identity::Rules identity;  // make an identity::Authenticator from it
  std::vector<identity::User> users;
  std::vector<std::string> roles;  // every role that a user has
  std::vector<Named> groups;       // every group that is named anywhere
  std::vector<Named> segments;     // every segment that is named anywhere
  std::map<std::string, Server, std::less<>> servers;
  Aggregate aggregate;
  std::map<std::string, VirtualServer, std::less<>> virtual_servers;
  Replicas replicas;
  Policy policy;
  Inspect inspect;
  Approvals approvals;
  Alerts alerts;
  std::vector<behaviour::Objective> objectives;  // by name
  Provenance provenance;
  behaviour::Settings behaviour;
  Audit audit;
  Limits limits;
  Logging log;
  State state;

  // The mode in force for a server.
  Mode mode_of(const Server& server) const { return server.mode.value_or(policy.mode); }
};

std::string_view name(Era era);
std::string_view name(Mode mode);
std::string_view name(Context context);
std::string_view name(Bodies bodies);
std::string_view name(OnFailure on_failure);
std::string_view name(Treatment treatment);
std::string_view name(Event event);
std::string_view name(AlertChannel::Way way);

// What was understood, one "key: value" line per setting that differs from nothing: defaults
// included, secrets as where they came from ("from env CRM_TOKEN"), in a fixed order. For
// `latticegate config show` and for golden tests.
std::string describe(const Config& config);

}  // namespace latticegate::config
