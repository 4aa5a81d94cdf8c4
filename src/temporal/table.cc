#include <utility>

#include "temporal/detail/table.h"

namespace latticegate::temporal {
namespace {

using Keep = TablePlan::Keep;

std::int64_t summand(const Row& row, std::uint32_t position) {
  if (position == none || row.values[position].kind != Datum::Kind::integer) return 0;
  return row.values[position].number;
}

std::string text_of(const Row& row) {
  std::string text;
  for (const Datum& datum : row.values) append(datum, text);
  return text;
}

}  // namespace

void Table::add(Row row) {
  if (keep_ == Keep::run) {
    // Loading gives first and last as two rows.
    if (run_.last == 0 || run_.key != row.key || (row.number > run_.last + 1 && row.at != 0))
      run_ = {.key = std::move(row.key), .first = row.number, .last = row.number};
    else
      run_.last = row.number;
    return;
  }
  if (keep_ == Keep::two) {
    two_.push_back(std::move(row));
    if (two_.size() > 2) two_.pop_front();
    return;
  }
  const auto [entry, fresh] = buckets_.try_emplace(row.key);
  Bucket& bucket = entry->second;
  if (fresh) {
    bucket.key = &entry->first;
    bucket.place = order_.insert(order_.end(), &bucket);
  } else {
    order_.splice(order_.end(), order_, bucket.place);
    if (keep_ == Keep::last) drop_front(bucket);
  }
  if (keep_ == Keep::distinct) {
    const auto [known, unseen] = bucket.known.try_emplace(text_of(row));
    if (!unseen) {
      const auto old = known->second;
      bytes_ -= old->size();
      bucket.sum -= summand(*old, summed_);
      bucket.rows.erase(old);
    }
    bytes_ += row.size();
    bucket.sum += summand(row, summed_);
    known->second = bucket.rows.insert(bucket.rows.end(), std::move(row));
    return;
  }
  bytes_ += row.size();
  bucket.sum += summand(row, summed_);
  bucket.rows.push_back(std::move(row));
}

void Table::drop_front(Bucket& bucket) {
  const Row& row = bucket.rows.front();
  bytes_ -= row.size();
  bucket.sum -= summand(row, summed_);
  if (keep_ == Keep::distinct) bucket.known.erase(text_of(row));
  bucket.rows.pop_front();
}

void Table::trim(Bucket& bucket, std::int64_t oldest) {
  while (!bucket.rows.empty() && bucket.rows.front().at < oldest) drop_front(bucket);
}

void Table::erase(Bucket& bucket) {
  order_.erase(bucket.place);
  buckets_.erase(buckets_.find(*bucket.key));
}

void Table::expire(std::int64_t now) {
  const std::int64_t oldest = now - window_;
  while (!order_.empty() && order_.front()->rows.back().at < oldest) {
    Bucket& bucket = *order_.front();
    while (!bucket.rows.empty()) drop_front(bucket);
    erase(bucket);
  }
  if (!order_.empty()) trim(*order_.back(), oldest);
}

const Table::Bucket* Table::find(const std::string& key, std::int64_t oldest) {
  const auto found = buckets_.find(key);
  if (found == buckets_.end()) return nullptr;
  trim(found->second, oldest);
  if (!found->second.rows.empty()) return &found->second;
  erase(found->second);
  return nullptr;
}

const Row* Table::of_event(std::uint64_t number) const {
  for (const Row& row : two_)
    if (row.number == number) return &row;
  return nullptr;
}

bool Table::empty(std::int64_t now) const {
  if (!order_.empty()) return false;
  for (const Row& row : two_)
    if (now - row.at <= window_) return false;
  return true;
}

}  // namespace latticegate::temporal
