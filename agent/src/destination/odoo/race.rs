//! How PostgreSQL says that a transaction was in another one's way, in every language that it speaks.
//!
//! `load` passes its sentence on in the language of the database's server, which no setting of Odoo changes. The words are those
//! of PostgreSQL 15's message catalogues: what the sentences about concurrent updates and deletes, deadlocks and locks that were
//! not to be had share in each language.

/// Of a sentence that means a lost race, whatever the row.
const WORDS: &[&str] = &[
    // English
    "could not serialize",
    "deadlock detected",
    "could not obtain lock",
    "due to lock timeout",
    // German
    "nicht serialisieren",
    "(Deadlock) entdeckt",
    "konnte Sperre für",
    "Zeitüberschreitung einer Sperre",
    // Spanish
    "no se pudo serializar",
    "detectado un deadlock",
    "no se pudo bloquear un candado",
    "espera de candados",
    // French
    "n'a pas pu sérialiser",
    "interblocage (deadlock)",
    "n'a pas pu obtenir un verrou",
    "l'obtention des verrous",
    // Italian
    "impossibile serializzare",
    "serializzazione dell'accesso fallita",
    "rilevato deadlock",
    "lock di riga nella relazione",
    "lock della relazione",
    "timeout di lock",
    // Japanese
    "アクセスの直列化",
    "デッドロックを検出",
    "ロックを取得できませんでした",
    "ロックのタイムアウト",
    // Georgian
    "წვდომის სერიალიზაცია",
    "ურთიერთბლოკირება",
    "მწკრივის დაბლოკვის შეცდომა",
    "ბლოკის მიღების შეცდომა",
    "ბლოკის მოლოდინის ვადის",
    // Korean
    "순차적 액세스가 불가능",
    "serialize 접근",
    "deadlock 발생",
    "잠금 정보를 구할 수 없음",
    "잠금 대기 시간 초과",
    // Russian
    "не удалось сериализовать",
    "обнаружена взаимоблокировка",
    "не удалось получить блокировку",
    "тайм-аута блокировки",
    // Swedish
    "kunde inte serialisera",
    "deadlock upptäckt",
    "kunde inte låsa rad",
    "kunde inte ta lås",
    "lås-timeout",
    // Ukrainian
    "не вдалося серіалізувати",
    "виявлено взаємне блокування",
    "не вдалося отримати блокування",
    "тайм-аут блокування",
    // Chinese
    "无法串行访问",
    "无法序列化访问",
    "检测到死锁",
    "上获得锁",
    "由于锁超时",
];

/// Whether the sentence says so. In a language that is not listed it may mean a race all the same.
pub(super) fn is_told_by(sentence: &str) -> bool {
    WORDS.iter().any(|words| sentence.contains(words))
}

/// Whether an exception of this class, which has one name in every language, means a lost race.
pub(super) fn is_exception(class: &str) -> bool {
    matches!(
        class,
        "psycopg2.errors.SerializationFailure"
            | "psycopg2.errors.DeadlockDetected"
            | "psycopg2.errors.LockNotAvailable"
            | "odoo.exceptions.LockError"
            | "odoo.exceptions.ConcurrencyError"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_race_is_known_in_every_language_that_postgresql_speaks() {
        for sentence in [
            "could not serialize access due to concurrent delete\n",
            "FEHLER:  konnte Zugriff nicht serialisieren wegen gleichzeitiger Aktualisierung\n",
            "ERROR:  no se pudo serializar el acceso debido a un update concurrente\n",
            "ERREUR:  n'a pas pu sérialiser un accès à cause d'une mise à jour en parallèle\n",
            "ERRORE:  serializzazione dell'accesso fallita a causa di modifiche concorrenti\n",
            "ERROR:  更新が同時に行われたためアクセスの直列化ができませんでした\n",
            "შეცდომა:  ერთდროული განახლების გამო წვდომის სერიალიზაცია შეუძლებელია\n",
            "오류:  동시 업데이트 때문에 순차적 액세스가 불가능합니다\n",
            "ОШИБКА:  не удалось сериализовать доступ из-за параллельного изменения\n",
            "FEL:  kunde inte serialisera åtkomst på grund av samtidig uppdatering\n",
            "ПОМИЛКА:  не вдалося серіалізувати доступ через паралельне оновлення\n",
            "错误:  由于同步更新而无法串行访问\n",
        ] {
            assert!(is_told_by(sentence), "{sentence}");
        }
    }

    #[test]
    fn what_postgresql_refuses_for_good_is_no_race() {
        for sentence in [
            "FEHLER:  Wert »3000000000« ist außerhalb des gültigen Bereichs für Typ integer\n",
            "integer out of range\n",
            "ERREUR:  entier en dehors des limites\n",
            "insert or update on table \"x\" violates foreign key constraint \"y\"\nDETAIL:  Key (z)=(7) is not present.\n",
        ] {
            assert!(!is_told_by(sentence), "{sentence}");
        }
    }
}
