"""From a trained student to one that ships: lean weights, and a card."""
