"""What several lists together say of a route's tokens, before any call is looked at."""

from __future__ import annotations

# A list that names no price of cached input, completed by one that does: only where both have the
# same prices otherwise, so that it is the same tariff. Only calls with cached tokens take it.
COMPLETED_PRICES = """
insert into token_prices by name
select listed.* replace (
    listed.price_id || ' + ' || further.price_id as price_id,
    greatest(listed.valid_from, further.valid_from) as valid_from,
    least(listed.valid_to, further.valid_to) as valid_to,
    true as completed,
    further.read_nano as read_nano,
    coalesce(listed.write_nano, further.write_nano) as write_nano
)
from token_prices as listed
inner join token_prices as further
    on further.tier = listed.tier
    and further.provider = listed.provider
    and further.folded = listed.folded
    and further.rank > listed.rank
    and further.per_units = listed.per_units
    and further.input_nano = listed.input_nano
    and further.output_nano = listed.output_nano
    and further.valid_from < coalesce(listed.valid_to, 'infinity'::timestamp)
    and listed.valid_from < coalesce(further.valid_to, 'infinity'::timestamp)
where listed.read_nano is null
    and further.read_nano is not null
"""

# What a list covers as a whole is never looked at again: calls are joined with fewer versions.
COVERED_PRICES = """
delete from token_prices as further
using token_prices as listed
where listed.tier = further.tier
    and listed.provider = further.provider
    and listed.folded = further.folded
    and listed.rank < further.rank
    and not listed.completed
    and listed.input_nano is not null
    and listed.output_nano is not null
    and listed.valid_from <= further.valid_from
    and coalesce(listed.valid_to, 'infinity'::timestamp)
        >= coalesce(further.valid_to, 'infinity'::timestamp)
"""
