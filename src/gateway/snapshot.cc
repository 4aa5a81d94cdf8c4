#include "gateway/snapshot.h"

#include <algorithm>
#include <filesystem>
#include <format>
#include <fstream>
#include <iterator>

#include "base/ascii.h"
#include "crypto/certificate.h"
#include "crypto/hash.h"
#include "gateway/broker.h"
#include "gateway/rules_in_force.h"
#include "gateway/tracing.h"
#include "onnx/classifier.h"

namespace latticegate::gateway {
namespace {

namespace fs = std::filesystem;
using base::Code;
using base::fail;
using base::Result;
using base::within;

constexpr std::uintmax_t largest_file = std::uintmax_t{16} * 1024 * 1024;

Result<std::string> read_file(const fs::path& path) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  if (error)
    return fail(Code::io, std::format("cannot read {}: {}", path.string(), error.message()));
  if (size > largest_file)
    return fail(Code::too_large,
                std::format("{} is larger than {} bytes", path.string(), largest_file));
  std::ifstream file(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file) return fail(Code::io, std::format("cannot read {}", path.string()));
  return text;
}

Result<void> write_private(const fs::path& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.close();
  if (!file) return fail(Code::io, std::format("cannot write {}", path.string()));
  return {};
}

Result<std::shared_ptr<const net::TlsContext>> listener_tls(const config::Config& config,
                                                            const base::Clock& clock,
                                                            const base::Log& log) {
  const config::ServerTls& tls = *config.listen.tls;
  net::TlsServerOptions options;
  options.profile = tls.profile;
  options.require_client_certificate = tls.require_client_certificate;
  fs::path certificate = tls.certificate;
  fs::path key = tls.key;
  const std::string_view needed_key = pqc::rules(tls.profile).certificate_key;
  if (certificate.empty()) {
    certificate = config.state.directory / "development.crt";
    key = config.state.directory / "development.key";
    bool usable = fs::exists(certificate) && fs::exists(key);
    if (usable) {
      const auto text = read_file(certificate);
      const auto read =
          text ? crypto::read_certificate(*text) : Result<crypto::Certificate>(fail(Code::io));
      usable =
          read && read->valid_at(clock.now()) && (needed_key.empty() || read->key == needed_key);
    }
    if (!usable) {
      auto made = crypto::make_development_certificate(
          clock.now(), needed_key.empty() ? crypto::KeyKind::ec_p256 : crypto::KeyKind::ml_dsa_87);
      if (!made) return std::unexpected(std::move(made).error());
      if (auto written = write_private(key, made->key_pem.reveal()); !written)
        return std::unexpected(std::move(written).error());
      if (auto written = write_private(certificate, made->certificate_pem); !written)
        return std::unexpected(std::move(written).error());
      log.info("made a development certificate", {{"file", certificate.string()}});
    }
  }
  auto chain = read_file(certificate);
  if (!chain) return std::unexpected(std::move(chain).error());
  auto secret = read_file(key);
  if (!secret) return std::unexpected(std::move(secret).error());
  const auto leaf = crypto::read_certificate(*chain);
  if (!leaf) return within(certificate.string(), leaf.error());
  if (leaf->expired_at(clock.now()))
    return fail(Code::crypto, std::format("the certificate {} expired at {}; install a newer one",
                                          certificate.string(), base::to_rfc3339(leaf->not_after)));
  if (!leaf->valid_at(clock.now()))
    return fail(Code::crypto,
                std::format("the certificate {} is not valid before {}", certificate.string(),
                            base::to_rfc3339(leaf->not_before)));
  if (!needed_key.empty() && leaf->key != needed_key)
    return fail(Code::invalid,
                std::format("profile {} needs a certificate with an {} key; that of {} is {}",
                            pqc::name(tls.profile), needed_key, certificate.string(), leaf->key));
  options.certificate_pem = *std::move(chain);
  options.key_pem = *std::move(secret);
  if (!tls.client_ca.empty()) {
    auto ca = read_file(tls.client_ca);
    if (!ca) return std::unexpected(std::move(ca).error());
    options.client_ca_pem = *std::move(ca);
  }
  auto context = net::TlsContext::server(options);
  if (!context) return within(certificate.string(), std::move(context).error());
  return context;
}

Result<ServerRoute> make_route(const config::Config& config, const config::Server& server,
                               const base::Log& log) {
  ServerRoute route;
  route.config = &server;
  route.mode = config.mode_of(server) == config::Mode::observe ? policy::Mode::observe
                                                               : policy::Mode::enforce;
  if (const auto* const http = std::get_if<config::Http>(&server.transport)) {
    auto url = net::parse_url(http->url);
    if (!url) return std::unexpected(std::move(url).error());
    route.url = *std::move(url);
    if (http->bearer) route.authorization = std::format("Bearer {}", http->bearer->value.reveal());
    std::string ca;
    if (!http->ca.empty()) {
      auto text = read_file(http->ca);
      if (!text) return std::unexpected(std::move(text).error());
      ca = *std::move(text);
    }
    if (route.url.tls) {
      net::TlsClientOptions options;
      options.profile = http->profile;
      options.ca_pem = ca;
      options.server_name = route.url.host;
      auto context = net::TlsContext::client(options);
      if (!context) return std::unexpected(std::move(context).error());
      route.tls = *std::move(context);
    }
    if (http->oauth) {
      auto broker = Broker::make(
          server.name, http->url, *http->oauth,
          [profile = http->profile, ca](std::string_view host) {
            net::TlsClientOptions options;
            options.profile = profile;
            options.ca_pem = ca;
            options.server_name = host;
            return net::TlsContext::client(options);
          },
          log);
      if (!broker) return std::unexpected(std::move(broker).error());
      route.broker = *std::move(broker);
    }
    route.key = std::hash<std::string>{}(
        std::format("{}\n{}\n{}\n{}", http->url, pqc::name(http->profile), ca, server.name));
  } else if (const auto* const stdio = std::get_if<config::Stdio>(&server.transport)) {
    // What one program speaks says nothing about another.
    std::string text = "stdio\n" + server.name;
    for (const std::string& word : stdio->command) text += "\n" + word;
    route.key = std::hash<std::string>{}(text);
  }
  return route;
}

}  // namespace

Result<std::vector<policy::PolicyText>> read_policies(const fs::path& directory) {
  std::error_code error;
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error))
    if (entry.path().extension() == ".cedar" && entry.is_regular_file())
      files.push_back(entry.path());
  if (error)
    return fail(Code::io, std::format("cannot read the policy directory {}: {}", directory.string(),
                                      error.message()));
  std::ranges::sort(files);
  std::vector<policy::PolicyText> texts;
  for (const fs::path& file : files) {
    auto text = read_file(file);
    if (!text) return std::unexpected(std::move(text).error());
    texts.push_back({file.string(), *std::move(text)});
  }
  return texts;
}

policy::World world_of(const config::Config& config, std::string_view person_key) {
  policy::World world;
  world.person_key = person_key;
  for (const auto& token : config.identity.tokens) world.agents.push_back(token.profile);
  for (const auto& certificate : config.identity.certificates)
    world.agents.push_back(certificate.profile);
  if (config.identity.loopback) world.agents.push_back(*config.identity.loopback);
  world.users = config.users;
  for (const config::Named& group : config.groups) world.groups.push_back({group.name, group.in});
  for (const config::Named& segment : config.segments)
    world.segments.push_back({segment.name, segment.in});
  for (const auto& [name, server] : config.servers) world.servers.push_back(facts_of(server));
  world.without = config.policy.without;
  return world;
}

namespace {

Result<std::shared_ptr<const policy::Engine>> load_shadow(const config::Config& config,
                                                          std::uint64_t generation,
                                                          std::string_view person_key) {
  auto texts = read_policies(config.policy.shadow);
  if (!texts) return std::unexpected(std::move(texts).error());
  return policy::Engine::load(world_of(config, person_key), *texts, {.epoch = generation});
}

}  // namespace

Result<std::shared_ptr<const Snapshot>> make_snapshot(
    std::shared_ptr<const config::Config> config, std::uint64_t generation, Pins& pins,
    RulesInForce& inspection_rules, const base::Clock& clock, const base::Log& log,
    std::string_view person_key, const Snapshot* previous) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->generation = generation;
  snapshot->config = config;
  snapshot->traces = has_labels(*config);
  auto authenticator = identity::Authenticator::make(config->identity);
  if (!authenticator) return within("identity", std::move(authenticator).error());
  snapshot->authenticator =
      std::make_shared<const identity::Authenticator>(*std::move(authenticator));
  auto texts = read_policies(config->policy.directory);
  if (!texts) return std::unexpected(std::move(texts).error());
  auto engine = policy::Engine::load(world_of(*config, person_key), *texts, {.epoch = generation});
  if (!engine) return std::unexpected(std::move(engine).error());
  snapshot->engine = *std::move(engine);
  snapshot->plants = snapshot->engine->plants();
  for (const std::string& warning : snapshot->engine->warnings()) log.warning(warning);
  if (!config->policy.shadow.empty()) {
    if (auto shadow = load_shadow(*config, generation, person_key)) {
      snapshot->shadow = *std::move(shadow);
    } else {
      snapshot->shadow_trouble = base::describe(shadow.error());
      log.error("the shadow's policies cannot be loaded: nothing is compared",
                {{"reason", snapshot->shadow_trouble}});
    }
  }
  auto rules = inspection_rules.load(config->inspect);
  if (!rules) return std::unexpected(std::move(rules).error());
  snapshot->rules = *std::move(rules);
  if (const config::TextClassifier& wanted = config->inspect.classifier; !wanted.model.empty()) {
    auto classifier = onnx::open_classifier(wanted.model);
    if (!classifier) return within("inspect.classifier", std::move(classifier).error());
    snapshot->opinion.classifier = *std::move(classifier);
    snapshot->opinion.threshold = static_cast<float>(wanted.threshold);
    for (const auto& [on, surface] : {std::pair(wanted.arguments, inspect::Surface::arguments),
                                      std::pair(wanted.results, inspect::Surface::result),
                                      std::pair(wanted.results, inspect::Surface::error)})
      if (on)
        snapshot->opinion.surface_mask |=
            static_cast<std::uint8_t>(1U << static_cast<unsigned>(surface));
  }
  auto replicas = Replicas::make(config->replicas);
  if (!replicas) return within("replicas", std::move(replicas).error());
  snapshot->replicas = *std::move(replicas);
  if (config->listen.tls) {
    auto tls = listener_tls(*config, clock, log);
    if (!tls) return within("listen.tls", std::move(tls).error());
    snapshot->tls = *std::move(tls);
  }
  for (const auto& [name, server] : config->servers) {
    auto route = make_route(*config, server, log);
    if (!route) return within(std::format("server '{}'", name), std::move(route).error());
    if (const auto known = previous != nullptr
                               ? previous->routes.find(name)
                               : std::map<std::string, ServerRoute>::const_iterator();
        route->broker && previous != nullptr && known != previous->routes.end())
      route->broker->follow(known->second.broker);
    route->catalogue = std::make_shared<Catalogue>(
        config, server, pins, log,
        route->mode == policy::Mode::enforce ? snapshot->engine : nullptr);
    snapshot->routes.emplace(name, *std::move(route));
  }
  auto doors = make_doors(*config, snapshot->routes);
  if (!doors) return within("servers", std::move(doors).error());
  snapshot->doors = *std::move(doors);
  for (const behaviour::Objective& objective : config->objectives) {
    std::shared_ptr<behaviour::Budget> budget;
    if (previous != nullptr)
      for (const auto& known : previous->budgets)
        if (known->objective() == objective) budget = known;
    snapshot->budgets.push_back(budget ? budget : std::make_shared<behaviour::Budget>(objective));
  }
  for (const std::string& host : config->listen.hosts)
    snapshot->hosts.push_back(base::to_lower(host));
  snapshot->hosts.push_back(base::to_lower(config->listen.address.host));
  if (config->listen.metrics)
    snapshot->hosts.push_back(base::to_lower(config->listen.metrics->host));
  snapshot->hosts.insert(snapshot->hosts.end(), {"localhost", "127.0.0.1", "[::1]", "::1"});
  return snapshot;
}

}  // namespace latticegate::gateway
