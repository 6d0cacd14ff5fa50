-- Version 5. A change whose time is over is found until it has been taken back, also by whoever finds that begun; and one
-- on which a later one stands waits for that.

DROP INDEX intents_to_revert;
CREATE INDEX intents_to_revert ON intents (revert_at) WHERE revert_at IS NOT NULL;
CREATE INDEX intents_to_revert_by_target ON intents (target, action) WHERE revert_at IS NOT NULL;
