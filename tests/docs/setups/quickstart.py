import pytest

import churnkit


def names(reader):
    with pytest.MonkeyPatch.context() as patch:
        # The page speaks of the demo's model; a shop's answers for it here.
        load, shop = churnkit.load, "models:/shop@champion"
        patch.setattr(churnkit, "load", lambda _: load(shop, project=reader.project))
        yield {"customers": reader.rows(30, seed=3)}
