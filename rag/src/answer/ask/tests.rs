//! Whole questions to scripted models.
