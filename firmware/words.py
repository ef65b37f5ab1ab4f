"""What the signs say, in the office's languages. The desk's words are those of the Raspberry Pis.

One text a language, "name=words; name=words": taken apart they would fill three times the room.
"""

DESK = {
    "ca": (
        "lost=Sense connexió; "
        "unset=Sense configurar; "
        "closed=Tancada; "
        "free=Lliure; "
        "waiting=%d en espera; "
        "silent=Sense resposta; "
        "unknown=Botó desconegut; "
        "too_late=Massa tard: torneu a prémer; "
        "out_of_date=Ha canviat: torneu a prémer; "
        "desk_closed=Taula tancada; "
        "not_now=Ara no es pot; "
        "nobody_waiting=No hi ha ningú esperant; "
        "stuck=Botó encallat"
    ),
    "es": (
        "lost=Sin conexión; "
        "unset=Sin configurar; "
        "closed=Cerrada; "
        "free=Libre; "
        "waiting=%d en espera; "
        "silent=Sin respuesta; "
        "unknown=Botón desconocido; "
        "too_late=Tarde: pulse otra vez; "
        "out_of_date=Ha cambiado: pulse otra vez; "
        "desk_closed=Mesa cerrada; "
        "not_now=Ahora no se puede; "
        "nobody_waiting=No hay nadie esperando; "
        "stuck=Botón atascado"
    ),
    "en": (
        "lost=No connection; "
        "unset=Not set up; "
        "closed=Closed; "
        "free=Free; "
        "waiting=%d waiting; "
        "silent=No answer; "
        "unknown=Unknown button; "
        "too_late=Too late: press again; "
        "out_of_date=It changed: press again; "
        "desk_closed=Desk closed; "
        "not_now=Not now; "
        "nobody_waiting=Nobody is waiting; "
        "stuck=Button stuck"
    ),
    "fr": (
        "lost=Pas de connexion; "
        "unset=Non configuré; "
        "closed=Fermé; "
        "free=Libre; "
        "waiting=%d en attente; "
        "silent=Pas de réponse; "
        "unknown=Bouton inconnu; "
        "too_late=Trop tard : appuyez encore; "
        "out_of_date=Changé : appuyez encore; "
        "desk_closed=Guichet fermé; "
        "not_now=Pas maintenant; "
        "nobody_waiting=Personne n'attend; "
        "stuck=Bouton bloqué"
    ),
}

BOARD = {
    "ca": ("lost=Sense connexió; old=Sense connexió: pot no estar al dia; desk=Taula"),
    "es": ("lost=Sin conexión; old=Sin conexión: puede no estar al día; desk=Mesa"),
    "en": ("lost=No connection; old=No connection: may be out of date; desk=Desk"),
    "fr": ("lost=Pas de connexion; old=Pas de connexion : peut-être périmé; desk=Guichet"),
}

# Why there is no connection, for whoever is to mend it: short, and the same in every language.
TROUBLES = (
    "wifi=Wi-Fi?; "
    "wifi_password=Wi-Fi: password?; "
    "wifi_absent=Wi-Fi: no network; "
    "broker=broker?; "
    "broker_silent=broker: silent; "
    "broker_busy=broker: busy; "
    "no_mqtt=broker: no MQTT; "
    "refused=broker: refused; "
    "certificate=certificate?; "
    "hub=hub?"
)


def say(table, language):
    """The words of DESK or BOARD by name in a language, and the troubles."""
    words = {}
    for text in (table[language], TROUBLES):
        for pair in text.split("; "):
            name, _, words[name] = pair.partition("=")
    return words
