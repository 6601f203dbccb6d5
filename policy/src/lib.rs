//! Pure decisions: who gets a request, may it go, when to stop trying.
